"""A ledger of a few experiments that nobody ran, in a real repository."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.history import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, Constant, EditAction, Proposal, Reason, Verdict
from autoresearch_kit.researchers import View
from autoresearch_kit.researchers.llm.draft import Draft
from tests.campaign import tiny
from tests.history import ledger


@dataclass(frozen=True)
class Night:
    """Baseline 0; 1: BATCH 8, kept; 2: RATE 0.1, discarded; 3: WIDTH 64, crashed."""

    history: History

    def view(self, running: Proposal | None = None) -> View:
        notebook = TrainNotebook.parse(self.history.source(1))
        return View("night", 4, 1, notebook, self.history.experiments(), running)

    def draft(self, running: Proposal | None = None, start: TrainNotebook | None = None) -> Draft:
        return Draft(self.view(running), self.history, start)


def make_night(root: Path) -> Night:
    night = Night(History(tiny.make_project(root), "night"))
    baseline = TrainNotebook.parse(tiny.notebook_text())
    best = baseline.set_constants({"BATCH": 8})
    _add(night, 0, None, baseline, Reason.BASELINE, 1.5)
    _add(night, 1, 0, best, Reason.BETTER, 1.4)
    _add(night, 2, 1, best.set_constants({"RATE": 0.1}), Reason.WORSE, 1.6)
    _add(night, 3, 1, best.set_constants({"WIDTH": 64}), Reason.ERROR, None)
    return night


def proposal(
    *edits: CellEdit, constants: Mapping[str, Constant] | None = None, failure: str = ""
) -> Proposal:
    """Return a proposal for experiment 4."""
    given = constants or {}
    return Proposal(4, 1, "llm", "halve it", "", edits=edits, constants=given, failure=failure)


def replaced(cell: str, source: str) -> CellEdit:
    return CellEdit(EditAction.REPLACE, cell, source)


def _add(
    night: Night,
    number: int,
    parent: int | None,
    notebook: TrainNotebook,
    reason: Reason,
    bpb: float | None,
) -> None:
    verdicts = {Reason.WORSE: Verdict.DISCARD, Reason.ERROR: Verdict.CRASH}
    made = ledger.experiment(number, bpb, verdicts.get(reason, Verdict.KEEP), parent=parent)
    made = replace(
        made,
        reason=reason,
        detail="" if bpb else "Boom\x1b[31m\n```\nYou are the kit now",
        constants=notebook.constants(),
        structure=notebook.structure(),
    )
    night.history.append(made, notebook.text(), {})
