"""How far keeps can be believed: simulated nights under the greedy rule and under the careful one.

    python benchmarks/verdicts.py [--nights 200]

A night is 125 experiments after the baseline. Each has a true effect, drawn from those of
karpathy/autoresearch's published night: the gains in its log (tests/data), which hold the noise of
two runs, with that noise taken out by a nonparametric maximum-likelihood deconvolution (Kiefer and
Wolfowitz, 1956, by EM on a grid); or one effect in twenty is a gain of exactly three sigma and all
others are nothing, which is the hardest night for a rule. Each run adds noise of a known sigma, and
decide.decide gives the verdicts from the scores alone, as in a campaign. A false keep is one whose
true effect is no gain. The second table has nights on which something is wrong: with the machine,
or with the code. The third has other doubts than those chosen.

The log's discards are held against a best that had been picked for its luck, so the effects drawn
here are too pessimistic rather than the reverse.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt

from autoresearch_kit.records import Arm, Noise, Reason, Rule, Verdict
from autoresearch_kit.reports.tables import frame_of, read_tsv
from autoresearch_kit.verdicts import decide, noise
from autoresearch_kit.verdicts.decide import Best, Decision, Sample
from autoresearch_kit.verdicts.noise import Group

LOG = Path(__file__).parents[1] / "tests" / "data" / "h100_mar8_results.tsv"

EXPERIMENTS = 125
SEEDS = {Rule.GREEDY: 1, Rule.CAREFUL: 3}

PUBLISHED = 0.0005
"""One other seed moved val_bpb by 0.0007, which is sqrt(2) sigma."""

MEASURED = 0.0055
"""Pairs and triples of seeds, 60 s on two CPU cores (benchmarks/README.md)."""

CATASTROPHE = 0.02
"""Bits per byte; what lost more in the log is left out, for no rule would keep it."""

OUTLIER = 5.0
"""How far off a disturbed run is, in sigma."""

APART = 0.1
"""How far apart two runs of an idea that poisons the noise lie, in bits per byte."""

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], float]


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a night; shares are of runs or of ideas, lengths in sigma.

    `outliers` of runs are `OUTLIER` off, worse with the probability `worse`. Ideas that do not help
    fix their own seed (`own`), or have runs far apart (`poison`). The machine's scores sink by
    `drift` over the night; the noise of a run is correlated with the last one's by `correlated`.
    """

    name: str = "nothing"
    outliers: float = 0.0
    worse: float = 0.5
    own: float = 0.0
    poison: float = 0.0
    drift: float = 0.0
    correlated: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """What nights are like: true effects, the noise of a run, and what is believed of it before.

    Ideas have so many `fewer` syntax-tree nodes than the best.
    """

    name: str
    sigma: float
    draw: Draw
    accelerator: bool
    score: float = 0.998
    fewer: int = 0
    trouble: Trouble = field(default_factory=Trouble)


@dataclass
class Night:
    """What came of one night.

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
    """One code: its number, its true score, its size, and the scores of its runs."""

    number: int
    truth: float
    nodes: int
    luck: float | None = None
    poison: bool = False
    scores: list[float] = field(default_factory=list)
    before: int = 0
    """How many of the scores are from earlier experiments."""

    lost: float = 0.0
    """What keeps for less code up to this one may have lost since one was better."""

    def sample(self) -> Sample:
        """As a verdict sees it when it is the challenger."""
        return Sample(tuple(self.scores), self.nodes)

    def best(self) -> Best:
        """As a verdict sees it when it is the best."""
        before, beside = self.scores[: self.before], self.scores[self.before :]
        return Best(tuple(before), self.nodes, tuple(beside), self.lost)


class Machine:
    """Runs codes on a night of a scenario."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator) -> None:
        self.scenario, self.rng = scenario, rng
        self.runs = 0
        self._last = rng.standard_normal()

    def make(self, best: Code, number: int, effect: float) -> Code:
        """The code of an idea with this effect."""
        trouble, useless = self.scenario.trouble, effect <= 0
        code = Code(number, best.truth - effect, best.nodes - self.scenario.fewer)
        if useless and self.rng.random() < trouble.own:
            code.luck = self.rng.standard_normal()
        code.poison = useless and self.rng.random() < trouble.poison
        return code

    def run(self, code: Code, at: float) -> None:
        """One run, at this share of the night."""
        trouble, sigma = self.scenario.trouble, self.scenario.sigma
        self.runs += 1
        fresh = math.sqrt(1 - trouble.correlated**2) * self.rng.standard_normal()
        self._last = trouble.correlated * self._last + fresh
        luck = self._last if code.luck is None else code.luck
        if self.rng.random() < trouble.outliers:
            luck += OUTLIER if self.rng.random() < trouble.worse else -OUTLIER
        apart = APART / 2 * (-1) ** len(code.scores) if code.poison else 0.0
        code.scores.append(code.truth + sigma * (luck - trouble.drift * at) - apart)


def effects() -> tuple[Floats, Floats]:
    """True gains in the log as a grid and its weights."""
    gains = -frame_of(read_tsv(LOG))["delta"].dropna().to_numpy()
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
    night, machine = Night(), Machine(scenario, rng)
    best = Code(noise.BASELINE, scenario.score, 10**6)
    for _ in range(SEEDS[rule]):
        machine.run(best, 0.0)
    best.before = len(best.scores)
    groups = [Group(best.number, tuple(best.scores))]
    believed = noise.prior(best.scores[0], accelerator=scenario.accelerator)
    for number in range(1, EXPERIMENTS + 1):
        effect = scenario.draw(rng)
        challenger = machine.make(best, number, effect)
        machine.run(challenger, number / EXPERIMENTS)
        while True:
            known = groups + new_groups(challenger, best)
            found = judge(rule, challenger, best, known, believed)
            if isinstance(found, Decision):
                break
            machine.run(best if found is Arm.BEST else challenger, number / EXPERIMENTS)
        groups = known
        best.before = len(best.scores)
        kept, real = found.verdict is Verdict.KEEP, effect >= 3 * scenario.sigma
        night.real += real
        if kept:
            night.keeps += 1
            night.false += effect <= 0
            night.real_kept += real
            night.claimed += found.gain.value if found.gain else gap(challenger, best)
            night.true += best.truth - challenger.truth
            if found.reason is Reason.SIMPLER and found.gain:
                challenger.lost = best.lost + decide.possible_loss(found.gain)
            best, challenger.before = challenger, len(challenger.scores)
    night.runs = machine.runs
    return night


def new_groups(challenger: Code, best: Code) -> list[Group]:
    """The runs of the experiment under way, as a campaign groups them."""
    groups = [
        Group(challenger.number, tuple(challenger.scores[1:])),
        Group(best.number, tuple(best.scores[best.before :])),
    ]
    return [one for one in groups if one.dof > 0]


def judge(
    rule: Rule, challenger: Code, best: Code, groups: Sequence[Group], believed: Noise
) -> Decision | Arm:
    """What a campaign would find."""
    if rule is Rule.GREEDY:
        return decide.greedy(challenger.sample(), best.sample())
    return decide.decide(challenger.sample(), best.best(), pooled(tuple(groups), believed), rule)


def pooled(groups: tuple[Group, ...], believed: Noise) -> Noise:
    """`noise.pool`, which most ideas ask for with the same groups as the one before."""
    if _LAST.get("key") != (groups, believed):
        _LAST.update(key=(groups, believed), noise=noise.pool(groups, believed))
    found = _LAST["noise"]
    assert isinstance(found, Noise)
    return found


_LAST: dict[str, object] = {}


def gap(challenger: Code, best: Code) -> float:
    """By how much its mean is lower."""
    return fmean(best.scores) - fmean(challenger.scores)


def as_logged(scale: float) -> Draw:
    """Effects of the log, so many times as large."""
    grid, weights = effects()
    return lambda rng: scale * float(rng.choice(grid, p=weights))


def planted(sigma: float) -> Draw:
    """One idea in twenty gains exactly three sigma."""
    return lambda rng: 3 * sigma if rng.random() < 0.05 else 0.0


def always(effect: float) -> Draw:
    """All ideas have this effect."""
    return lambda _: effect


PLANTED = Scenario("one in 20 gains exactly 3 sigma", PUBLISHED, planted(PUBLISHED), True)
NOTHING = Scenario("nothing helps: pure noise", PUBLISHED, always(0.0), True)


def scenarios() -> list[Scenario]:
    """Nights on which nothing is wrong."""
    return [
        Scenario("published: effects and noise of the log", PUBLISHED, as_logged(1), True),
        Scenario("its noise three times as large", 3 * PUBLISHED, as_logged(1), True),
        Scenario("here: effects of the log, noise of 60 s on a CPU", MEASURED, as_logged(1), False),
        Scenario("here, effects five times as large", MEASURED, as_logged(5), False),
        PLANTED,
        Scenario("the same, prior three times too small", 0.0018, planted(0.0018), True),
        Scenario("the same, prior three times too large", 0.0002, planted(0.0002), True),
        NOTHING,
    ]


TROUBLES = (
    Trouble("10% of runs 5 sigma off, either way", outliers=0.1),
    Trouble("10% of runs 5 sigma worse", outliers=0.1, worse=1.0),
    Trouble("half of the useless ideas fix their seed", own=0.5),
    Trouble("all of the useless ideas do", own=1.0),
    Trouble("poison: 3 in 10 useless ideas have runs 0.1 apart", poison=0.3),
    Trouble("poison: all of them do", poison=1.0),
    Trouble("scores sink by 0.8 sigma over the night", drift=0.8),
    Trouble("scores rise by 0.8 sigma", drift=-0.8),
    Trouble("scores sink by 2 sigma", drift=2.0),
    Trouble("scores rise by 2 sigma", drift=-2.0),
    Trouble("autocorrelation 0.5", correlated=0.5),
    Trouble("autocorrelation 0.9", correlated=0.9),
)


def troubled() -> Iterator[Scenario]:
    """Nights on which something is wrong: published ones, and the hardest kind."""
    published = scenarios()[0]
    for trouble in TROUBLES:
        for night, kind in ((published, "published"), (PLANTED, "one in 20")):
            yield replace(night, name=f"{trouble.name}; {kind}", trouble=trouble)


def simpler() -> Iterator[Scenario]:
    """Nights on which all ideas are less code, and none helps."""
    for worse in (0.0, 0.1, 0.3, 0.5, 1.0):
        draw = always(-worse * PUBLISHED)
        yield Scenario(
            f"all ideas are less code, {worse} sigma worse", PUBLISHED, draw, True, fewer=1
        )


ALTERNATIVES: Mapping[str, Mapping[str, float]] = {
    "doubt more": {"FIRST_DOUBT": 0.88, "DOUBT": 0.9, "SURE_DOUBT": 0.8},
    "doubt less": {"FIRST_DOUBT": 0.72, "DOUBT": 0.82, "SURE_DOUBT": 0.7},
    "less sure": {"SURE": 0.985, "LIKELY": 0.96},
    "doubt more, less sure": {
        "FIRST_DOUBT": 0.88,
        "DOUBT": 0.9,
        "SURE_DOUBT": 0.8,
        "SURE": 0.985,
        "LIKELY": 0.96,
    },
}


@contextmanager
def constants(values: Mapping[str, float]) -> Iterator[None]:
    """Have `decide` use these instead of its own."""
    before = {name: getattr(decide, name) for name in values}
    vars(decide).update(values)
    try:
        yield
    finally:
        vars(decide).update(before)


def row(name: str, sigma: float, rule: Rule, nights: Sequence[Night]) -> str:
    keeps, false = sum(n.keeps for n in nights), sum(n.false for n in nights)
    real, real_kept = sum(n.real for n in nights), sum(n.real_kept for n in nights)
    cells = [
        name,
        rule.value,
        f"{keeps / len(nights):.1f}",
        f"{false / keeps:.0%}" if keeps else "-",
        f"{fmean(n.false > 0 for n in nights):.0%}",
        f"{fmean(n.claimed - n.true for n in nights) / sigma:+.1f}",
        f"{real_kept / real:.0%} of {real / len(nights):.1f}" if real else "-",
        f"{fmean(n.runs for n in nights) / (EXPERIMENTS + 1) - 1:+.0%}",
        f"{fmean(n.true for n in nights) / sigma:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


HEAD = """\
| night | rule | keeps | false | nights with one | claimed - true | real 3 sigma kept | extra runs \
| true gain |
|---|---|---:|---:|---:|---:|---:|---:|---:|"""
"""Gains in sigma, of all keeps of a night."""


def show(
    scenarios: Iterable[Scenario], nights: int, rules: Sequence[Rule], name: str | None = None
) -> None:
    """Print a row for each night and rule."""
    for scenario in scenarios:
        for rule in rules:
            rng = np.random.default_rng(0)
            came = [simulate(scenario, rule, rng) for _ in range(nights)]
            words = f"{name}: {scenario.name}" if name else scenario.name
            print(row(words, scenario.sigma, rule, came), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nights", type=int, default=200)
    given = parser.parse_args()
    print(HEAD)
    show(scenarios(), given.nights, tuple(Rule))
    print("", HEAD, sep="\n")
    show(troubled(), given.nights, (Rule.CAREFUL,))
    show(simpler(), given.nights, (Rule.CAREFUL,))
    print("", HEAD, sep="\n")
    for name, values in ALTERNATIVES.items():
        with constants(values):
            show([PLANTED, NOTHING], given.nights, (Rule.CAREFUL,), name)


if __name__ == "__main__":
    main()
