"""Proposals are prepared in the background, and taken in order, on the best of now."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest

from autoresearch_kit.campaign import proposing as proposing_module
from autoresearch_kit.campaign.proposing import MOST_REQUESTS, Proposing
from autoresearch_kit.errors import KitError
from autoresearch_kit.records import Proposal
from autoresearch_kit.researchers import Turns, View
from autoresearch_kit.researchers.optuna import OptunaResearcher
from tests.researchers.llm.conftest import Asked, Ledger, chat, ledger
from tests.researchers.llm.server import Answer, ChatServer
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
    [proposal] = ledger.workspace.prepared()
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


class Thinks(FakeModel):
    """A model that answers a request once the test lets it; told again, it wants another rate."""

    def __init__(self, wants: Mapping[int, dict[str, float]] | None = None) -> None:
        super().__init__()
        self.wants = wants or {}
        self.views: dict[int, list[View]] = defaultdict(list)
        self.begun = [threading.Event() for _ in range(20)]
        self.may_answer = [threading.Event() for _ in range(20)]
        self.threads: dict[int, threading.Thread] = {}

    def propose(self, view: View) -> Proposal:
        number = view.number
        self.views[number].append(view)
        self.threads[number] = threading.current_thread()
        self.begun[number].set()
        assert self.may_answer[number].wait(60)
        if self.error:
            raise self.error
        wants = self.wants.get(number, {"WIDTH": 20 + number})
        wants = {"RATE": 0.5} if len(self.views[number]) > 1 else wants
        return Proposal(number, view.best, "llm", f"asked as {number}", "", constants=wants)

    def answer(self, number: int) -> None:
        """Answer the request under this number, and wait until the proposal is prepared."""
        assert self.begun[number].wait(60)
        self.may_answer[number].set()
        self.threads[number].join(60)

    def asked(self) -> list[int]:
        """Return the numbers of the requests that have begun."""
        return [number for number, begun in enumerate(self.begun) if begun.is_set()]


@pytest.fixture
def thinks() -> Iterator[Thinks]:
    model = Thinks()
    yield model
    for event in model.may_answer:
        event.set()


def test_what_is_ready_goes_before_what_is_being_made(ledger: Ledger, thinks: Thinks) -> None:
    made = proposing(ledger, thinks)
    made.prepare(ahead(ledger, 2), 3)
    thinks.answer(3)
    first = taken(made, ahead(ledger, 2))
    assert (first.number, first.idea) == (2, "asked as 3")
    assert made.ready(ahead(ledger, 3)) is None
    thinks.answer(2)
    second = taken(made, ahead(ledger, 3))
    assert (second.number, second.idea) == (3, "asked as 2")
    assert thinks.asked() == [2, 3, 4]


def test_a_request_is_told_what_is_prepared(ledger: Ledger, thinks: Thinks) -> None:
    made = proposing(ledger, thinks)
    made.prepare(ahead(ledger, 2), 1)
    thinks.answer(2)
    made.prepare(ahead(ledger, 2), 2)
    assert thinks.begun[3].wait(60)
    [view] = thinks.views[3]
    assert [each.number for each in view.in_flight] == [1, 2]


def test_an_idea_like_one_asked_for_at_once_is_asked_again_once(
    ledger: Ledger, thinks: Thinks
) -> None:
    thinks.wants = {2: {"WIDTH": 9}, 3: {"WIDTH": 9, "BATCH": 2}}
    made = proposing(ledger, thinks)
    made.prepare(ahead(ledger, 2), 2)
    thinks.answer(2)
    thinks.answer(3)
    assert [len(thinks.views[number]) for number in (2, 3)] == [1, 2]
    assert [each.idea for each in thinks.views[3][1].prepared] == ["asked as 2"]
    constants = [dict(each.constants) for each in ledger.workspace.prepared()]
    assert constants == [{"WIDTH": 9}, {"RATE": 0.5}]


def test_an_idea_like_one_that_began_meanwhile_is_asked_again(
    ledger: Ledger, thinks: Thinks
) -> None:
    thinks.wants = {2: {"WIDTH": 9}, 3: {"WIDTH": 9}}
    made = proposing(ledger, thinks)
    made.prepare(ahead(ledger, 2), 2)
    thinks.answer(2)
    begun = taken(made, ahead(ledger, 2))
    made.prepare(replace(ahead(ledger, 3), running=[begun]), 1)
    thinks.answer(3)
    assert thinks.views[3][1].running == [begun]


def test_no_more_than_eight_requests_are_made_at_once(ledger: Ledger, thinks: Thinks) -> None:
    made = proposing(ledger, thinks)
    made.prepare(ahead(ledger, 2), 12)
    for number in range(2, 10):
        assert thinks.begun[number].wait(60)
    assert len(thinks.asked()) == MOST_REQUESTS
    thinks.answer(2)
    made.prepare(ahead(ledger, 2), 12)
    assert thinks.begun[10].wait(60)
    assert len(thinks.asked()) == MOST_REQUESTS + 1


def test_all_that_was_prepared_is_found_after_a_kill(ledger: Ledger, thinks: Thinks) -> None:
    made = proposing(ledger, thinks)
    made.prepare(ahead(ledger, 2), 3)
    for number in (4, 2, 3):
        thinks.answer(number)
    first = taken(made, ahead(ledger, 2))
    assert ledger.workspace.pending() == [first]
    resumed = proposing(ledger, Wider())
    rest = [taken(resumed, ahead(ledger, number)) for number in (3, 4)]
    assert [each.idea for each in (first, *rest)] == ["asked as 2", "asked as 3", "asked as 4"]
    assert ledger.workspace.prepared() == []


def test_a_retry_gives_all_that_is_prepared_the_next_numbers(
    ledger: Ledger, thinks: Thinks
) -> None:
    made = proposing(ledger, thinks)
    made.prepare(ahead(ledger, 2), 2)
    thinks.answer(2)
    thinks.answer(3)
    after_retry = [taken(made, ahead(ledger, number)) for number in (3, 4)]
    assert [(each.number, each.idea) for each in after_retry] == [
        (3, "asked as 2"),
        (4, "asked as 3"),
    ]


def test_an_error_does_not_hold_up_what_is_ready(ledger: Ledger, thinks: Thinks) -> None:
    made = proposing(ledger, thinks)
    made.prepare(ahead(ledger, 2), 1)
    thinks.answer(2)
    made.prepare(ahead(ledger, 2), 2)
    thinks.error = KitError("no more")
    thinks.answer(3)
    assert taken(made, ahead(ledger, 2)).idea == "asked as 2"
    made.prepare(ahead(ledger, 3), 2)  # nobody is asked for more until the error is raised
    with pytest.raises(KitError, match="no more"):
        taken(made, ahead(ledger, 3))
    assert thinks.asked() == [2, 3]


def test_a_repair_is_made_in_the_background_and_is_pending(ledger: Ledger, thinks: Thinks) -> None:
    crashed = Proposal(1, 0, "llm", "it crashed", "", constants={"WIDTH": 5})
    made = proposing(ledger, thinks)
    repairing = made.repair(replace(ledger.view, number=1), crashed)
    assert not repairing.done()
    thinks.answer(1)
    assert repairing.result(60) == ledger.workspace.pending()[0]


def test_requests_under_way_end_with_the_campaign(
    ledger: Ledger, chat: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody stands in for the model then; what it was asked for is counted."""
    late = threading.Event()
    turns = Turns(Asked(ledger, chat).by(Answer(wait=late, body=b"{}")), (), OptunaResearcher())
    made = Proposing(turns, ledger.workspace, ledger.history)
    made.prepare(ahead(ledger, 2), 3)
    while len(chat.requests) < 3:
        made._threads[0].join(0.05)
    monkeypatch.setattr(proposing_module, "CLOSE_SECONDS", 0.1)
    made.close()
    late.set()
    for thread in made._threads:
        thread.join(60)
    assert [thread.is_alive() for thread in made._threads] == [False] * 3
    assert ledger.workspace.prepared() == []
