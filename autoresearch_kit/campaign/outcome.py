"""The outcome of an idea: its verdict, and the runs behind it."""

from dataclasses import dataclass

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Bound, Measured, Noise, Profiled, Proposal
from autoresearch_kit.verdicts.decide import Decision
from autoresearch_kit.verdicts.repeats import SeedOutcome


@dataclass(frozen=True)
class Outcome:
    """An idea decided: the verdict, the noise behind it, its runs, and the best's runs beside.

    `against` is the number of that best; None for the baseline, and where nothing was run. `passed`
    are the outcomes by which it was to be kept before it was merged onto another best. `bounds` are
    those that it was held against; None where it was held against none.
    """

    proposal: Proposal
    notebook: TrainNotebook
    decision: Decision
    own: tuple[SeedOutcome, ...] = ()
    best_runs: tuple[SeedOutcome, ...] = ()
    noise: Noise | None = None
    against: int | None = None
    passed: "tuple[Outcome, ...]" = ()
    profiled: Profiled | None = None
    bounds: tuple[Bound, ...] | None = None

    def counting(self) -> list[Measured]:
        """Return the idea's runs that count."""
        return [seed.chosen for seed in self.own if not seed.disturbed]

    def best_counting(self) -> list[Measured]:
        """Return the best's runs that count."""
        return [seed.chosen for seed in self.best_runs if not seed.disturbed]

    def set_aside(self) -> list[Measured]:
        """Return the runs that were disturbed, which decide nothing."""
        seeds = (*self.own, *self.best_runs)
        stayed = [seed.chosen for seed in seeds if seed.disturbed]
        return [*(measured for seed in seeds for measured in seed.set_aside), *stayed]

    def disturbed_folders(self) -> set[str]:
        """Return the folders of all runs with a seed that stayed disturbed, by name."""
        stayed = [seed for seed in (*self.own, *self.best_runs) if seed.disturbed]
        return {run.folder for seed in stayed for run in (seed.chosen, *seed.set_aside)}
