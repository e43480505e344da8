"""Proposals are prepared in the background, and taken in order, on the best of now."""

from dataclasses import dataclass, field, replace

import pytest

from autoresearch_kit.campaign.proposing import Proposing
from autoresearch_kit.errors import KitError
from autoresearch_kit.records import Proposal
from autoresearch_kit.researchers import Turns, View
from autoresearch_kit.researchers.optuna import OptunaResearcher
from tests.researchers.llm.conftest import Ledger, chat, ledger
from tests.researchers.test_turns import FakeModel

__all__ = ["chat", "ledger"]


@dataclass
class Wider(FakeModel):
    """A model that always wants the same."""

    wants: dict[str, int] = field(default_factory=lambda: {"BATCH": 8})
    asked: list[int] = field(default_factory=list)
    carries: bool = True

    def propose(self, view: View) -> Proposal:
        self.asked.append(view.best)
        return replace(super().propose(view), constants=self.wants)

    def carry_over(self, view: View, prepared: Proposal) -> Proposal | None:
        assert prepared.parent != view.best
        return replace(prepared, parent=view.best, constants={"BATCH": 7}) if self.carries else None


def proposing(ledger: Ledger, model: FakeModel) -> Proposing:
    return Proposing(Turns(model, (), OptunaResearcher()), ledger.workspace, ledger.history)


def taken(made: Proposing, view: View) -> Proposal:
    """Return the next proposal, once it is ready."""
    while (proposal := made.ready(view)) is None:
        for thread in made._threads:
            thread.join(60)
    return proposal


def ahead(ledger: Ledger, number: int) -> View:
    """Return the view in which experiment `number` is prepared."""
    running = Proposal(number - 1, ledger.view.best, "llm", "running", "")
    return replace(ledger.view, number=number, running=[running])


def prepared(
    ledger: Ledger, model: FakeModel, score: float | None = 9.0, **tried: int
) -> Proposing:
    """Experiment 2 was prepared while 1, with these constants, ran and got its score."""
    made = proposing(ledger, model)
    made.prepare(ahead(ledger, 2), 1)
    ledger.constants(1, score, **(tried or {"WIDTH": 4}))
    return made


def test_what_was_prepared_is_written_down_and_taken(ledger: Ledger) -> None:
    model = Wider()
    made = prepared(ledger, model)
    made.close()
    [proposal] = ledger.workspace.under_way.prepared()
    # a process that comes after this one finds it
    later = Wider()
    resumed = proposing(ledger, later)
    resumed.prepare(ahead(ledger, 2), 1)
    assert taken(resumed, ledger.view) == taken(made, ledger.view) == proposal
    assert (proposal.number, proposal.parent) == (2, 0)
    assert (model.asked, later.asked) == ([0], [])


def test_what_the_disk_refuses_is_still_taken(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    class DiskEndsMeanwhile(Wider):
        def propose(self, view: View) -> Proposal:
            (ledger.workspace.folder / "prepared" / "0002.json").mkdir()
            return super().propose(view)

    model = DiskEndsMeanwhile()
    assert taken(prepared(ledger, model), ledger.view).number == 2
    assert model.asked == [0]
    assert "what was prepared is not written down: " in caplog.text


def test_it_is_moved_to_a_new_best_where_it_fits(ledger: Ledger) -> None:
    model = Wider()
    proposal = taken(prepared(ledger, model, 1.5), ledger.view)
    assert (proposal.parent, dict(proposal.constants), model.asked) == (1, {"BATCH": 8}, [0])


def test_it_keeps_until_a_disturbed_experiment_was_tried_again(ledger: Ledger) -> None:
    model = Wider()
    made = prepared(ledger, model)
    view = ledger.view
    again = replace(view.experiments[1].proposal, number=2, retry_of=1)
    made.prepare(replace(view, number=3, running=[again]), 1)
    retried = replace(view.experiments[1], proposal=again)
    later = replace(view, number=3, experiments=(*view.experiments, retried))
    proposal = taken(made, later)
    assert (proposal.number, dict(proposal.constants), model.asked) == (3, {"BATCH": 8}, [0])


@pytest.mark.parametrize("carries", [True, False])
def test_a_conflict_is_carried_over_or_asked_again(ledger: Ledger, carries: bool) -> None:
    model = Wider(carries=carries)
    proposal = taken(prepared(ledger, model, 1.5, BATCH=6), ledger.view)
    assert (proposal.number, proposal.parent) == (2, 1)
    assert dict(proposal.constants) == ({"BATCH": 7} if carries else {"BATCH": 8})
    assert model.asked == ([0] if carries else [0, 1])


def test_what_was_taken_is_not_taken_again_after_a_kill(ledger: Ledger) -> None:
    model = Wider()
    taken(prepared(ledger, model), ledger.view)
    ledger.constants(2, BATCH=8)
    taken(proposing(ledger, model), ledger.view)
    assert len(model.asked) == 2


def test_where_it_was_tried_before_it_is_asked_for_again(ledger: Ledger) -> None:
    ledger.constants(1, WIDTH=4, BATCH=8)
    model = Wider()
    made = proposing(ledger, model)
    made.prepare(ahead(ledger, 3), 1)
    ledger.constants(2, 1.5, WIDTH=4)
    taken(made, ledger.view)
    assert model.asked == [0, 2]


def test_an_error_shows_when_its_turn_comes(ledger: Ledger) -> None:
    made = prepared(ledger, FakeModel(KitError("no more")))
    with pytest.raises(KitError, match="no more"):
        taken(made, ledger.view)
