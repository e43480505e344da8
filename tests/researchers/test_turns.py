"""Whose turn it is, and who stands in while the endpoint is down."""

from dataclasses import dataclass, replace

import pytest

from autoresearch_kit.errors import EndpointError, KitError, LimitReached
from autoresearch_kit.records import Proposal, Research
from autoresearch_kit.researchers import Turns, View
from autoresearch_kit.researchers.optuna import OptunaResearcher
from tests.researchers.bench import Bench

RESEARCH = Research(model="m", optuna_every=3)


@dataclass
class FakeModel:
    """A model that answers, or fails, as it is told."""

    error: KitError | None = None
    closed: bool = False
    name: str = "llm"

    def propose(self, view: View) -> Proposal:
        if self.error:
            raise self.error
        return Proposal(view.number, view.best, self.name, "an idea", "")

    def repair(self, view: View, crashed: Proposal) -> Proposal | None:
        if self.error:
            raise self.error
        return replace(crashed, hypothesis="mended")

    def carry_over(self, view: View, prepared: Proposal) -> Proposal | None:
        if self.error:
            raise self.error
        return replace(prepared, parent=view.best, hypothesis="carried over")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def view() -> View:
    return Bench("WIDTH = 8  # of it; 4..64", lambda _: 1.0).view


def turns(model: FakeModel, research: Research = RESEARCH) -> Turns:
    return Turns(OptunaResearcher(), model, research)


@pytest.mark.parametrize(
    ("number", "researcher"), [(1, "llm"), (2, "llm"), (3, "optuna"), (4, "llm"), (6, "optuna")]
)
def test_every_so_many_turns_are_optunas(view: View, number: int, researcher: str) -> None:
    assert turns(FakeModel()).propose(replace(view, number=number)).researcher == researcher


def test_no_turn_need_be_optunas(view: View) -> None:
    both = turns(FakeModel(), replace(RESEARCH, optuna_every=0))
    assert both.propose(replace(view, number=6)).researcher == "llm"


def test_without_a_model_all_turns_are_optunas(view: View) -> None:
    assert Turns(OptunaResearcher()).propose(view).researcher == "optuna"


def test_only_the_models_turns_are_worth_preparing() -> None:
    both = turns(FakeModel())
    assert [number for number in range(1, 7) if both.takes_long(number)] == [1, 2, 4, 5]
    assert not Turns(OptunaResearcher()).takes_long(1)


def test_optuna_stands_in_while_the_endpoint_is_down_and_both_switches_are_logged(
    view: View, caplog: pytest.LogCaptureFixture
) -> None:
    model = FakeModel(EndpointError("503 from there"))
    both = turns(model)
    with caplog.at_level("WARNING"):
        assert both.propose(view).researcher == "optuna"
        model.error = None
        assert both.propose(view).researcher == "llm"
    assert "optuna proposes, since 503 from there" in caplog.text
    assert "the endpoint answers again" in caplog.text


def test_an_outage_is_told_once_and_the_next_again(view: View) -> None:
    told: list[str] = []
    model = FakeModel()
    both = Turns(OptunaResearcher(), model, RESEARCH, told.append)
    for error in (None, EndpointError("503"), EndpointError("503"), None, EndpointError("gone")):
        model.error = error
        both.propose(view)
    assert told == ["503", "gone"]


def test_the_stand_in_can_be_refused(view: View) -> None:
    both = turns(FakeModel(EndpointError("503")), replace(RESEARCH, fallback=False))
    with pytest.raises(KitError, match="the model can't be asked: 503"):
        both.propose(view)


def test_a_cap_is_no_reason_for_a_stand_in(view: View) -> None:
    with pytest.raises(LimitReached):
        turns(FakeModel(LimitReached("enough"))).propose(view)


def test_the_model_mends_its_own_crashes_only() -> None:
    view = Bench("WIDTH = 8", lambda _: 1.0).view
    own, other = (Proposal(1, 0, name, "i", "h") for name in ("llm", "optuna"))
    mended = turns(FakeModel()).repair(view, own)
    assert mended is not None
    assert mended.hypothesis == "mended"
    assert turns(FakeModel()).repair(view, other) is None


def test_a_crash_stays_one_while_the_endpoint_is_down() -> None:
    view = Bench("WIDTH = 8", lambda _: 1.0).view
    crashed = Proposal(1, 0, "llm", "i", "h")
    assert turns(FakeModel(EndpointError("503"))).repair(view, crashed) is None


def test_closing_reaches_the_model() -> None:
    model = FakeModel()
    turns(model).close()
    assert model.closed


def prepared(view: View, researcher: str = "llm") -> Proposal:
    return Proposal(view.number, 7, researcher, "an idea", "")


def test_a_models_idea_is_carried_over_by_the_model(view: View) -> None:
    assert turns(FakeModel()).carry_over(view, prepared(view)).hypothesis == "carried over"


def test_what_optuna_prepared_is_not_carried_over(view: View) -> None:
    assert turns(FakeModel()).carry_over(view, prepared(view, "optuna")).hypothesis == ""


def test_optuna_stands_in_where_nothing_can_be_carried_over(view: View) -> None:
    model = FakeModel(EndpointError("503"))
    assert turns(model).carry_over(view, prepared(view)).researcher == "optuna"
