"""How far keeps can be believed: simulated nights under the greedy rule and under the careful one.

    python benchmarks/verdicts.py [--nights 200]

A night is 125 experiments after the baseline. Each has a true effect, drawn from those of
karpathy/autoresearch's published night: the gains in its log (tests/data), which hold the noise of
two runs, with that noise taken out by a nonparametric maximum-likelihood deconvolution (Kiefer and
Wolfowitz, 1956, by EM on a grid). Each run adds noise of a known sigma, and decide.decide gives the
verdicts from the scores alone, as in a campaign. A false keep is one whose true effect is no gain.

The log's discards are held against a best that had been picked for its luck, so the effects drawn
here are too pessimistic rather than the reverse.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt

from autoresearch_kit import decide, noise
from autoresearch_kit.decide import Decision, Sample
from autoresearch_kit.history.tables import read_tsv
from autoresearch_kit.records import Arm, Rule, Verdict

LOG = Path(__file__).parents[1] / "tests" / "data" / "h100_mar8_results.tsv"

EXPERIMENTS = 125
SEEDS = {Rule.GREEDY: 1, Rule.CAREFUL: 3}

PUBLISHED = 0.0005
"""One other seed moved val_bpb by 0.0007, which is sqrt(2) sigma."""

MEASURED = 0.0055
"""Pairs and triples of seeds, 60 s on two CPU cores (benchmarks/README.md)."""

CATASTROPHE = 0.02
"""Bits per byte; what lost more in the log is left out, for no rule would keep it."""

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], float]


@dataclass(frozen=True)
class Scenario:
    """What nights are like: true effects, the noise of a run, and what is believed of it before."""

    name: str
    sigma: float
    draw: Draw
    accelerator: bool
    score: float = 0.998


@dataclass
class Night:
    """What came of one night; gains are of the final best over the baseline, in bits per byte."""

    runs: int = 0
    keeps: int = 0
    false: int = 0
    real: int = 0
    real_kept: int = 0
    claimed: float = 0.0
    true: float = 0.0


@dataclass
class Code:
    """One code: its true score, and those of its runs."""

    truth: float
    scores: list[float]

    def sample(self) -> Sample:
        """As a verdict sees it."""
        return Sample(tuple(self.scores), 1)


def effects() -> tuple[Floats, Floats]:
    """True gains in the log as a grid and its weights."""
    gains = -read_tsv(LOG)["delta"].dropna().to_numpy()
    gains = gains[gains > -CATASTROPHE]
    grid = np.linspace(gains.min(), gains.max(), 321)
    spread = PUBLISHED * math.sqrt(2)
    likelihood = np.exp(-0.5 * ((gains[:, None] - grid) / spread) ** 2)
    weights = np.full(len(grid), 1 / len(grid))
    for _ in range(500):
        shares = likelihood * weights
        weights = (shares / shares.sum(1, keepdims=True)).mean(0)
    return grid, weights


def simulate(scenario: Scenario, rule: Rule, rng: np.random.Generator) -> Night:
    """One night under one rule."""
    night = Night()
    codes: list[Code] = []

    def run(code: Code) -> None:
        code.scores.append(code.truth + scenario.sigma * rng.standard_normal())
        night.runs += 1

    best = baseline = Code(scenario.score, [])
    codes.append(baseline)
    for _ in range(SEEDS[rule]):
        run(baseline)
    for _ in range(EXPERIMENTS):
        effect = scenario.draw(rng)
        challenger = Code(best.truth - effect, [])
        codes.append(challenger)
        run(challenger)
        while (found := judge(scenario, rule, codes, challenger, best)) in tuple(Arm):
            run(best if found is Arm.BEST else challenger)
        assert isinstance(found, Decision)
        kept, real = found.verdict is Verdict.KEEP, effect >= 3 * scenario.sigma
        night.real += real
        night.keeps += kept
        night.false += kept and effect <= 0
        night.real_kept += kept and real
        best = challenger if kept else best
    night.claimed = fmean(baseline.scores) - fmean(best.scores)
    night.true = baseline.truth - best.truth
    return night


def judge(
    scenario: Scenario, rule: Rule, codes: Sequence[Code], challenger: Code, best: Code
) -> Decision | Arm:
    """What a campaign would find."""
    before = noise.prior(codes[0].scores[0], accelerator=scenario.accelerator)
    known = noise.pool([code.scores for code in codes if len(code.scores) > 1], before)
    return decide.decide(challenger.sample(), best.sample(), known, rule)


def scenarios() -> list[Scenario]:
    grid, weights = effects()

    def as_logged(scale: float) -> Draw:
        return lambda rng: scale * float(rng.choice(grid, p=weights))

    def planted(sigma: float) -> Draw:
        return lambda rng: 3 * sigma if rng.random() < 0.05 else 0.0

    return [
        Scenario("published: effects and noise of the log", PUBLISHED, as_logged(1), True),
        Scenario("its noise three times as large", 3 * PUBLISHED, as_logged(1), True),
        Scenario("here: effects of the log, noise of 60 s on a CPU", MEASURED, as_logged(1), False),
        Scenario("here, effects five times as large", MEASURED, as_logged(5), False),
        Scenario("one in 20 gains exactly 3 sigma", PUBLISHED, planted(PUBLISHED), True),
        Scenario("the same, prior three times too small", 0.0018, planted(0.0018), True),
        Scenario("the same, prior three times too large", 0.0002, planted(0.0002), True),
        Scenario("nothing helps: pure noise", PUBLISHED, lambda _: 0.0, True),
    ]


def row(scenario: Scenario, rule: Rule, nights: Sequence[Night]) -> str:
    keeps, false = sum(n.keeps for n in nights), sum(n.false for n in nights)
    real, real_kept = sum(n.real for n in nights), sum(n.real_kept for n in nights)
    cells = [
        scenario.name,
        rule.value,
        f"{keeps / len(nights):.1f}",
        f"{false / keeps:.0%}" if keeps else "-",
        f"{fmean(n.claimed - n.true for n in nights) / scenario.sigma:+.1f}",
        f"{real_kept / real:.0%} of {real / len(nights):.1f}" if real else "-",
        f"{fmean(n.runs for n in nights) / (EXPERIMENTS + 1) - 1:+.0%}",
        f"{fmean(n.true for n in nights) / scenario.sigma:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


HEAD = """\
| night | rule | keeps | false | claimed - true | real 3 sigma kept | extra runs | true gain |
|---|---|---:|---:|---:|---:|---:|---:|"""
"""Gains in sigma, of the night's final best over its baseline."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nights", type=int, default=200)
    given = parser.parse_args()
    print(HEAD)
    for scenario in scenarios():
        for rule in Rule:
            rng = np.random.default_rng(0)
            nights = [simulate(scenario, rule, rng) for _ in range(given.nights)]
            print(row(scenario, rule, nights), flush=True)


if __name__ == "__main__":
    main()
