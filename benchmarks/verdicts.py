"""Simulate nights under the greedy and the careful rule: how far can keeps be believed?

    python benchmarks/verdicts.py [--nights 200]

A night is 125 experiments after the baseline, with true effects as nights.py draws them. Each run
adds noise of a known sigma, and decide.decide gives the verdicts from the scores alone, as in a
campaign. A false keep is one whose true effect is no gain. The second table has nights on which
something is wrong, with the machine or with the code. The third has other doubts than those chosen.
The fourth has a metric whose noise nobody knows, after so many runs of the baseline, the fifth one
that takes only some values. The last has ideas that are all measured on one fixed log, with a
standard error that the measurement reports.
"""

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import fmean
from unittest.mock import patch

import numpy as np
from nights import (
    NOTHING,
    PLANTED,
    Scenario,
    discrete_nights,
    scenarios,
    simpler,
    troubled,
    unknown_nights,
)

from autoresearch_kit.records import VAL_BPB, Arm, Metric, Noise, Reason, Rule, Verdict
from autoresearch_kit.verdicts import decide, noise
from autoresearch_kit.verdicts.decide import Decision
from autoresearch_kit.verdicts.gains import possible_loss
from autoresearch_kit.verdicts.robust_sigma import Group
from autoresearch_kit.verdicts.runs_by_code import BASELINE
from autoresearch_kit.verdicts.samples import Best, Sample

EXPERIMENTS = 125
SEEDS = {Rule.GREEDY: 1, Rule.CAREFUL: 3}

BASELINE_SCORE = 0.998

OUTLIER = 5.0
"""Distance of a disturbed run, in sigma."""

UNKNOWN = Metric("loss")
"""A metric of which no prior is known."""

APART = 0.1
"""Distance of two runs of an idea that poisons the noise, in bits per byte."""


@dataclass
class Night:
    """Counts of a night.

    `claimed` is the sum of the gains by which ideas were kept, in bits per byte, `true` what they
    were worth.
    """

    runs: int = 0
    keeps: int = 0
    false: int = 0
    real: int = 0
    real_kept: int = 0
    claimed: float = 0.0
    true: float = 0.0


@dataclass
class Code:
    """One code: its number, its true score, its size, and the scores of its runs.

    So many scores are from `before` this experiment. `lost` is what keeps for less code up to this
    one may have lost since one was better.
    """

    number: int
    truth: float
    nodes: int
    luck: float | None = None
    steady: float = 1.0
    poison: bool = False
    scores: list[float] = field(default_factory=list)
    before: int = 0
    lost: float = 0.0

    def best(self) -> Best:
        """Return it as a verdict sees it when it is the best."""
        before, beside = self.scores[: self.before], self.scores[self.before :]
        return Best(tuple(before), self.nodes, tuple(beside), self.lost)


class Machine:
    """Runs codes on a night of a scenario."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator) -> None:
        self.scenario, self.rng = scenario, rng
        self.runs = 0
        self.scores = list[float]()
        self._last = rng.standard_normal()

    def make(self, best: Code, number: int, effect: float) -> Code:
        """Return the code of an idea with this effect."""
        trouble, useless = self.scenario.trouble, effect <= 0
        code = Code(number, best.truth - effect, best.nodes - self.scenario.fewer)
        if useless and self.rng.random() < trouble.own:
            code.luck = self.rng.standard_normal()
        code.steady = 1.0 if useless else trouble.steady
        code.poison = useless and self.rng.random() < trouble.poison
        return code

    def run(self, code: Code, at: float) -> None:
        """Run a code once, at this share of the night."""
        trouble, sigma = self.scenario.trouble, self.scenario.sigma
        self.runs += 1
        fresh = math.sqrt(1 - trouble.correlated**2) * self.rng.standard_normal()
        self._last = trouble.correlated * self._last + fresh
        luck = code.steady * self._last if code.luck is None else code.luck
        if self.rng.random() < trouble.outliers:
            luck += OUTLIER if self.rng.random() < trouble.worse else -OUTLIER
        apart = APART / 2 * (-1) ** len(code.scores) if code.poison else 0.0
        score = code.truth + sigma * (luck - trouble.drift * at) - apart
        if step := self.scenario.step * sigma:
            score = step * round(score / step)
        self.scores.append(score)
        code.scores.append(score)


def simulate(scenario: Scenario, rule: Rule, rng: np.random.Generator, unknown: int = 0) -> Night:
    """Simulate a night under one rule.

    With `unknown`, the metric's noise is not known but from so many runs of the baseline.
    """
    night, machine = Night(), Machine(scenario, rng)
    best = Code(BASELINE, BASELINE_SCORE, 10**6)
    for _ in range(unknown or SEEDS[rule]):
        machine.run(best, 0.0)
    best.before = len(best.scores)
    groups = [Group(best.number, tuple(best.scores))]
    metric, first = UNKNOWN if unknown else VAL_BPB, tuple(best.scores)
    for number in range(1, EXPERIMENTS + 1):
        effect = scenario.draw(rng)
        challenger = machine.make(best, number, effect)
        machine.run(challenger, number / EXPERIMENTS)
        while True:
            own = Group(challenger.number, tuple(challenger.scores[1:]))
            known = [*groups, own, Group(best.number, tuple(best.scores[best.before :]))]
            known = [group for group in known if group.dof > 0]
            sample = Sample(tuple(challenger.scores), challenger.nodes)
            others = frozenset(machine.scores if scenario.step else ())
            spread = pooled(metric, first, tuple(known), scenario.accelerator, others)
            decision = decide.decide(sample, best.best(), spread, rule)
            if isinstance(decision, Decision):
                break
            machine.run(best if decision is Arm.BEST else challenger, number / EXPERIMENTS)
        groups = known
        best.before = len(best.scores)
        real = effect >= 3 * scenario.sigma
        night.real += real
        if decision.verdict is Verdict.KEEP:
            gap = fmean(best.scores) - fmean(challenger.scores)
            night.keeps += 1
            night.false += effect <= 0
            night.real_kept += real
            night.claimed += decision.gain.value if decision.gain else gap
            night.true += best.truth - challenger.truth
            if decision.reason is Reason.SIMPLER and decision.gain:
                challenger.lost = best.lost + possible_loss(decision.gain)
            best, challenger.before = challenger, len(challenger.scores)
    night.runs = machine.runs
    return night


@lru_cache(maxsize=1)  # most ideas ask with the same groups as the one before
def pooled(
    metric: Metric,
    first: tuple[float, ...],
    groups: tuple[Group, ...],
    accelerator: bool,
    others: frozenset[float],
) -> Noise | None:
    return noise.measured(metric, first, groups, accelerator=accelerator, others=others)


MORE_DOUBT = {"FIRST_DOUBT": 0.88, "DOUBT": 0.9, "SURE_DOUBT": 0.8}
LESS_SURE = {"SURE": 0.985, "LIKELY": 0.96}
ALTERNATIVES: Mapping[str, Mapping[str, float]] = {
    "doubt more": MORE_DOUBT,
    "doubt less": {"FIRST_DOUBT": 0.72, "DOUBT": 0.82, "SURE_DOUBT": 0.7},
    "less sure": LESS_SURE,
    "doubt more, less sure": MORE_DOUBT | LESS_SURE,
}


def row(scenario: Scenario, rule: Rule, nights: Sequence[Night]) -> str:
    def mean(name: str) -> float:
        return fmean(getattr(night, name) for night in nights)

    over = mean("claimed") - mean("true")
    cells = [
        scenario.name,
        rule.value,
        f"{mean('keeps'):.1f}",
        f"{mean('false') / mean('keeps'):.0%}" if mean("keeps") else "-",
        f"{fmean(night.false > 0 for night in nights):.0%}",
        f"{over / scenario.sigma:+.1f}",
        f"{mean('real_kept') / mean('real'):.0%} of {mean('real'):.1f}" if mean("real") else "-",
        f"{mean('runs') / (EXPERIMENTS + 1) - 1:+.0%}",
        f"{mean('true') / scenario.sigma:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def on_one_log(alike: float, gains: float, rng: np.random.Generator) -> Night:
    """Simulate a night on one fixed log: runs of a code are equal, and off by one standard error.

    The errors of two codes are correlated by `alike`. One idea in twenty gains so many of them.
    """
    night, common = Night(), rng.standard_normal()

    def code(truth: float) -> tuple[float, float]:
        luck = math.sqrt(alike) * common + math.sqrt(1 - alike) * rng.standard_normal()
        return truth, truth + luck

    best = code(0.0)
    for _ in range(EXPERIMENTS):
        effect = gains if rng.random() < 0.05 else 0.0
        truth, score = code(best[0] - effect)
        own = Sample((score,) * 3, 1, metric=UNKNOWN, error=1.0)
        beside = Best((best[1],) * 3, 1, (best[1],) * 2, metric=UNKNOWN, error=1.0)
        decision = decide.decide(own, beside, Noise(0.0, 4.0), Rule.CAREFUL)
        real = effect > 0
        night.real += real
        if isinstance(decision, Decision) and decision.verdict is Verdict.KEEP:
            night.keeps, night.false = night.keeps + 1, night.false + (not real)
            night.real_kept += real
            best = truth, score
    return night


def show_on_one_log(nights: int) -> None:
    """Print a row for each correlation of the errors."""
    print("\n| errors alike | gain in errors | nights with a false keep | real kept |")
    print("|---:|---:|---:|---:|")
    for alike in (0.0, 0.5, 0.9):
        for gains in (3.0, 5.0):
            rng = np.random.default_rng(0)
            done = [on_one_log(alike, gains, rng) for _ in range(nights)]
            false = fmean(night.false > 0 for night in done)
            kept = sum(night.real_kept for night in done) / sum(night.real for night in done)
            print(f"| {alike:g} | {gains:g} | {false:.0%} | {kept:.0%} |", flush=True)


HEAD = """\
| night | rule | keeps | false | nights with one | claimed - true | real 3 sigma kept | extra runs \
| true gain |
|---|---|---:|---:|---:|---:|---:|---:|---:|"""
"""Gains in sigma, of all keeps of a night."""


def show(scenarios: Iterable[Scenario], nights: int, *rules: Rule, unknown: int = 0) -> None:
    """Print a row for each night and rule."""
    for scenario in scenarios:
        for rule in rules:
            rng = np.random.default_rng(0)
            simulated = [simulate(scenario, rule, rng, unknown) for _ in range(nights)]
            print(row(scenario, rule, simulated), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nights", type=int, default=200)
    nights = parser.parse_args().nights
    print(HEAD)
    show(scenarios(), nights, *Rule)
    print("", HEAD, sep="\n")
    show([*troubled(), *simpler()], nights, Rule.CAREFUL)
    print("", HEAD, sep="\n")
    for name, values in ALTERNATIVES.items():
        with patch.dict(vars(decide), values):
            named = [replace(kind, name=f"{name}: {kind.name}") for kind in (PLANTED, NOTHING)]
            show(named, nights, Rule.CAREFUL)
    print("", HEAD, sep="\n")
    for runs in (3, 4, 5, 6):
        named = [replace(kind, name=f"{runs} runs: {kind.name}") for kind in unknown_nights()]
        show(named, nights, Rule.CAREFUL, unknown=runs)
    print("", HEAD, sep="\n")
    show(discrete_nights(), nights, Rule.CAREFUL, unknown=5)
    show_on_one_log(nights)


if __name__ == "__main__":
    main()
