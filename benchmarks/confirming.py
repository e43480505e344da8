"""Simulate what confirming a night's keeps finds and what pruning costs.

    python benchmarks/confirming.py [--nights 100]

Each keep turns one constant and has a true effect: a real one's is 0.3
sigma and an exponential on top, with a mean of 1.5; a false one's is at most 0. Runs are the true
score and noise of a known sigma. The rest is the kit's own: what is run, how often, what is found,
what is pruned and whether that is advised.
"""

import argparse
from collections import Counter
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import EDITABLE, LOCKED, Cell
from autoresearch_kit.notebook.contract import NEEDED_LOCKED
from autoresearch_kit.records import Noise, Run, SandboxLevel, Score
from autoresearch_kit.reports.confirmation import Finding, Trial, Trials
from autoresearch_kit.studies.confirm import judging
from autoresearch_kit.studies.confirm.judging import Standing, standing_of
from autoresearch_kit.studies.confirm.plan import Keep, Plan, Variant

SIGMA = 0.005
BELIEVED = Noise(SIGMA, 10)
SEEDS = 3


@dataclass(frozen=True)
class Scenario:
    """A night's keeps, and the share of them that is false."""

    name: str
    keeps: int
    false: float


SCENARIOS = (
    Scenario("careful: 4 keeps, 5% false", 4, 0.05),
    Scenario("greedy: 8 keeps, 60% false", 8, 0.6),
)
"""Settings as in benchmarks/verdicts.py."""


@dataclass
class Found:
    """The results of nights; losses of true score, in sigma, against the best with all keeps."""

    runs: list[int] = field(default_factory=list)
    findings: dict[bool, Counter[Finding]] = field(
        default_factory=lambda: {True: Counter(), False: Counter()}
    )
    false_left: list[int] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    advised: list[bool] = field(default_factory=list)


def plan_of(keeps: int) -> Plan:
    """Return keeps that each turn one constant."""
    names = [f"K{number}" for number in range(1, keeps + 1)]
    config = "\n".join(f"{name} = 0" for name in names)
    sources = {"parameters": "", "setup": "", "config": config, "model": "pass", "submit": ""}
    cells = [
        Cell(name, source, tags=(LOCKED if name in NEEDED_LOCKED else EDITABLE,))
        for name, source in sources.items()
    ]
    notebook = baseline = TrainNotebook(tuple(cells))
    made = []
    for number, name in enumerate(names, 1):
        notebook = notebook.set_constants({name: 1})
        made.append(Keep(number, name, 0.0, notebook))
    return Plan(baseline, tuple(made))


def run_of(value: float) -> Run:
    """Return a run with this score."""
    score = Score("val_bpb", value, 0.0, 1, 1, 0.0, 0.0)
    return Run(0, score, None, "", 300.0, 0.0, 320.0, 1, 1, 0.0, SandboxLevel.NONE)


def confirm(plan: Plan, effects: list[float], rng: np.random.Generator) -> Standing:
    """Return all runs of one night."""

    def loss(variant: Variant) -> float:
        return sum(effects[number - 1] for number in variant.out)

    standing = standing_of(plan, Trials(SEEDS, BELIEVED))
    while standing.todo:
        trials = standing.trials
        for todo in standing.todo:
            value = 1 + SIGMA * (loss(todo.variant) + rng.standard_normal())
            trial = Trial(todo.variant.code, todo.at, run_of(value))
            trials = replace(trials, done=(*trials.done, trial))
        standing = standing_of(plan, trials)
    return standing


def simulate(scenario: Scenario, nights: int) -> Found:
    """Simulate so many nights, equal ones at each call."""
    plan, found = plan_of(scenario.keeps), Found()
    for night in range(nights):
        rng = np.random.default_rng(night)
        real = [bool(one) for one in rng.random(scenario.keeps) >= scenario.false]
        effects = [
            0.3 + rng.exponential(1.5) if one else min(0.0, 0.3 * rng.standard_normal())
            for one in real
        ]
        standing = confirm(plan, effects, rng)
        add(found, standing, real, effects)
    return found


def add(found: Found, standing: Standing, real: list[bool], effects: list[float]) -> None:
    """Count one night."""
    assert standing.pruned is not None
    worth = standing.worth(standing.pruned)
    out = set(standing.pruned.out)
    advised = bool(out) and worth is not None and worth.helps < judging.REAL
    gone = out if advised else set()
    found.runs.append(len(standing.trials.done))
    found.advised.append(advised)
    found.lost.append(sum(effects[number - 1] for number in gone))
    found.false_left.append(sum(not one and n not in gone for n, one in enumerate(real, 1)))
    for one, variant in zip(real, standing.plan.without, strict=True):
        found.findings[one][standing.finding(variant)] += 1


def share(counted: Counter[Finding], finding: Finding) -> str:
    """Return the share of all that were counted."""
    return f"{counted[finding] / max(1, counted.total()):.0%}"


def main(nights: int) -> None:
    """Print a table in Markdown."""
    print("| night | pruned below | runs | real: found real, false | false: found real, false "
          "| false left | true loss | pruning advised |")  # fmt: skip
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for scenario in SCENARIOS:
        for doubt in (judging.FALSE, 0.8, judging.REAL):
            judging.DOUBT = doubt  # what is chosen there, and what else could be
            found = simulate(scenario, nights)
            shares = [
                f"{share(found.findings[real], Finding.REAL)}, "
                f"{share(found.findings[real], Finding.FALSE)}"
                for real in (True, False)
            ]
            print(
                f"| {scenario.name} | {doubt} | {fmean(found.runs):.0f} | {' | '.join(shares)} "
                f"| {fmean(found.false_left):.2f} | {fmean(found.lost):+.2f} "
                f"| {fmean(found.advised):.0%} |"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nights", type=int, default=100)
    main(parser.parse_args().nights)
