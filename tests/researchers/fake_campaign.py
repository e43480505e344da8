"""A campaign without runs: a formula of the constants stands in for training and scoring."""

from collections.abc import Callable, Mapping, Sequence

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Constant,
    Experiment,
    Fingerprint,
    Proposal,
    Reason,
    Settings,
    Verdict,
)
from autoresearch_kit.researchers import Researcher, View
from autoresearch_kit.verdicts.decide import Decision, greedy
from autoresearch_kit.verdicts.samples import Sample
from tests.ledger.ledger import run
from tests.notebook import small

Objective = Callable[[Mapping[str, Constant]], float | None]
"""Constants to bits per byte; None for a crash."""

BASELINE = Proposal(0, None, "baseline", "baseline", "")


def notebook(config: str) -> TrainNotebook:
    cells = small.cells()
    cells[4]["source"] = config
    return TrainNotebook.parse(small.text(cells))


def experiment(
    proposal: Proposal, tried: TrainNotebook, value: float | None, decision: Decision, tag: str
) -> Experiment:
    return Experiment(
        tag=tag,
        proposal=proposal,
        verdict=decision.verdict,
        reason=decision.reason,
        detail=decision.detail,
        runs=(run(value=value),),
        nodes=tried.nodes(),
        constants=tried.constants(),
        structure=tried.structure(),
        fingerprint=Fingerprint("c", "t", "p", "s", "2.13", "cpu"),
        settings=Settings("stdlib", 300, 720, 90, 4000, "optuna", "cpu"),
        kit_version="0",
        started="",
        finished="",
    )


class FakeCampaign:
    """A campaign in memory that goes on from what it has."""

    def __init__(self, config: str, objective: Objective, tag: str = "night") -> None:
        self.objective = objective
        self.tag = tag
        self.notebooks = [notebook(config)]
        keep = Decision(Verdict.KEEP, Reason.BASELINE, "")
        value = objective(self.notebooks[0].constants())
        self.experiments = [experiment(BASELINE, self.notebooks[0], value, keep, tag)]

    @property
    def best(self) -> Experiment:
        return [e for e in self.experiments if e.kept][-1]

    @property
    def view(self) -> View:
        best = self.best.number
        number = self.experiments[-1].number + 1
        return View(self.tag, number, best, self.notebooks[best], tuple(self.experiments))

    def try_(self, proposal: Proposal) -> Experiment:
        tried = self.notebooks[self.best.number].apply(proposal.edits, proposal.constants)
        tried.check(self.notebooks[self.best.number])
        value = self.objective(tried.constants())
        tried_as = experiment(proposal, tried, value, self._decision(value), self.tag)
        self.experiments.append(tried_as)
        self.notebooks.append(tried)
        return tried_as

    def go(self, researcher: Researcher, count: int) -> Sequence[Experiment]:
        return [self.try_(researcher.propose(self.view)) for _ in range(count)]

    def _decision(self, value: float | None) -> Decision:
        if value is None:
            return Decision(Verdict.CRASH, Reason.OUT_OF_MEMORY, "")
        assert self.best.score is not None
        return greedy(Sample((value,), 1), Sample((self.best.score,), 1))
