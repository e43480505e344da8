"""Scenarios of simulated nights: effects of ideas, the noise of a run, and what goes wrong.

Effects are drawn from those of karpathy/autoresearch's published night: the gains in its log
(tests/data), which hold the noise of two runs, with that noise taken out by a nonparametric
maximum-likelihood deconvolution (Kiefer and Wolfowitz, 1956, by EM on a grid). Or one effect in
twenty is a gain of exactly three sigma and all others are nothing, which is the hardest night for a
rule. The log's discards are held against a best that had been picked for its luck, so the effects
drawn here are too pessimistic rather than the reverse.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_kit.reports.tables import frame_of, read_tsv

LOG = Path(__file__).parents[1] / "tests" / "data" / "h100_mar8_results.tsv"

PUBLISHED = 0.0005
"""One other seed moved val_bpb by 0.0007, which is sqrt(2) sigma."""

MEASURED = 0.0055
"""Pairs and triples of seeds, 60 s on two CPU cores (benchmarks/README.md)."""

CATASTROPHE = 0.02
"""Bits per byte; what lost more in the log is left out, for no rule would keep it."""

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], float]


@dataclass(frozen=True)
class Trouble:
    """Troubles of a night; shares are of runs or of ideas, lengths in sigma.

    `outliers` of runs are `OUTLIER` off, worse with the probability `worse`. Ideas that do not help
    fix their own seed (`own`), or have runs far apart (`poison`). The machine's scores sink by
    `drift` over the night; the noise of a run is correlated with the last one's by `correlated`.
    Ideas that help have `steady` times the noise.
    """

    name: str = "nothing"
    outliers: float = 0.0
    worse: float = 0.5
    own: float = 0.0
    poison: float = 0.0
    drift: float = 0.0
    correlated: float = 0.0
    steady: float = 1.0


@dataclass(frozen=True)
class Scenario:
    """A kind of night: true effects, the noise of a run, and what is believed of it before.

    Ideas have so many `fewer` syntax-tree nodes than the best. Scores are multiples of a `step`,
    which is in sigma; 0 for scores that vary continuously.
    """

    name: str
    sigma: float
    draw: Draw
    accelerator: bool = True
    fewer: int = 0
    step: float = 0.0
    trouble: Trouble = field(default_factory=Trouble)


def effects() -> tuple[Floats, Floats]:
    """Return the true gains in the log as a grid and its weights."""
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


def as_logged(scale: float) -> Draw:
    """Draw effects of the log, so many times as large."""
    grid, weights = effects()
    return lambda rng: scale * float(rng.choice(grid, p=weights))


def planted(sigma: float) -> Draw:
    """Let one idea in twenty gain exactly three sigma."""
    return lambda rng: 3 * sigma if rng.random() < 0.05 else 0.0


def always(effect: float) -> Draw:
    return lambda _: effect


PLANTED = Scenario("one in 20 gains exactly 3 sigma", PUBLISHED, planted(PUBLISHED))
NOTHING = Scenario("nothing helps: pure noise", PUBLISHED, always(0.0))


def scenarios() -> list[Scenario]:
    """Return nights on which nothing is wrong."""
    here = "here: effects of the log, noise of 60 s on a CPU"
    return [
        Scenario("published: effects and noise of the log", PUBLISHED, as_logged(1)),
        Scenario("its noise three times as large", 3 * PUBLISHED, as_logged(1)),
        Scenario(here, MEASURED, as_logged(1), accelerator=False),
        Scenario("here, effects five times as large", MEASURED, as_logged(5), accelerator=False),
        PLANTED,
        Scenario("the same, prior three times too small", 0.0018, planted(0.0018)),
        Scenario("the same, prior three times too large", 0.0002, planted(0.0002)),
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
    """Yield nights on which something is wrong: published ones, and the hardest kind."""
    published = scenarios()[0]
    for trouble in TROUBLES:
        for night, kind in ((published, "published"), (PLANTED, "one in 20")):
            yield replace(night, name=f"{trouble.name}; {kind}", trouble=trouble)


def simpler() -> Iterator[Scenario]:
    """Yield nights on which all ideas are less code, and none helps."""
    for worse in (0.0, 0.1, 0.3, 0.5, 1.0):
        name = f"all ideas are less code, {worse} sigma worse"
        yield Scenario(name, PUBLISHED, always(-worse * PUBLISHED), fewer=1)


def unknown_nights() -> list[Scenario]:
    """Return nights for a metric whose noise nobody knows."""
    outliers = Trouble("10% of runs 5 sigma off, either way", outliers=0.1)
    own = Trouble("half of the useless ideas fix their seed", own=0.5)
    kinds = [scenarios()[0], PLANTED, NOTHING]
    wrong = [
        replace(PLANTED, name=f"{each.name}; one in 20", trouble=each) for each in (outliers, own)
    ]
    return [*kinds, *wrong]


def discrete_nights() -> Iterator[Scenario]:
    """Yield nights for a metric that takes only some values, such as the share of 360 rows."""
    own = Trouble("half of the useless ideas fix their seed", own=0.5)
    steady = Trouble("what helps has a third of the noise", steady=1 / 3)
    for step in (0.0, 0.3, 0.7, 1.5, 3.0):
        for night, kind in ((PLANTED, "one in 20"), (NOTHING, "nothing helps")):
            yield replace(night, name=f"steps of {step} sigma; {kind}", step=step)
        for trouble in (own, steady):
            name = f"steps of {step} sigma; {trouble.name}; one in 20"
            yield replace(PLANTED, name=name, step=step, trouble=trouble)
