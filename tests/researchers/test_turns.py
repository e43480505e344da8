"""Researchers take turns, and one stands in while another can't be reached."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from autoresearch_kit import researchers
from autoresearch_kit.errors import Cancelled, EndpointError, InputError, KitError, LimitReached
from autoresearch_kit.records import Proposal
from autoresearch_kit.researchers import Researcher, Share, Turns, View, check_name
from autoresearch_kit.researchers.optuna import OptunaResearcher
from autoresearch_kit.researchers.spending import Meter
from tests.researchers.fake_campaign import FakeCampaign
from tests.researchers.llm.conftest import Ledger, ledger

__all__ = ["ledger"]


@dataclass
class FakeModel(Researcher):
    """A model that answers, or fails, as it is told."""

    error: KitError | None = None
    closed: bool = False
    name: str = "llm"
    slow = True

    def propose(self, view: View) -> Proposal:
        if self.error:
            raise self.error
        return Proposal(view.number, view.best, self.name, "an idea", "")

    def repair(self, view: View, crashed: Proposal) -> Proposal | None:
        return replace(self.propose(view), hypothesis="mended")

    def carry_over(self, view: View, prepared: Proposal) -> Proposal | None:
        return replace(self.propose(view), hypothesis="carried over")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def view() -> View:
    return FakeCampaign("WIDTH = 8  # of it; 4..64", lambda _: 1.0).view


def turns(model: FakeModel, *, fallback: bool = True) -> Turns:
    optuna = OptunaResearcher()
    return Turns(model, [Share(optuna, 3)], optuna if fallback else None)


def test_each_share_has_every_so_many_turns(view: View) -> None:
    third = FakeModel(name="third")
    shared = Turns(FakeModel(), [Share(OptunaResearcher(), 3), Share(third, 4)])
    proposed = [shared.propose(replace(view, number=n)).researcher for n in range(1, 13)]
    expected = "llm llm optuna third llm optuna llm third optuna llm llm optuna"
    assert proposed == expected.split()


def test_only_slow_turns_are_prepared() -> None:
    both = turns(FakeModel())
    assert [number for number in range(1, 7) if both.takes_long(number)] == [1, 2, 4, 5]
    assert not Turns(OptunaResearcher()).takes_long(1)


def test_each_outage_is_told_once_and_logged(view: View, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    model, optuna = FakeModel(), OptunaResearcher()
    both = Turns(model, (), optuna, told.append)
    errors = (None, EndpointError("503"), EndpointError("503"), None, EndpointError("gone"))
    proposed = []
    with caplog.at_level("WARNING"):
        for error in errors:
            model.error = error
            proposed.append(both.propose(view).researcher)
    assert proposed == ["llm", "optuna", "optuna", "llm", "optuna"]
    assert told == ["503", "gone"]
    assert "optuna proposes, since 503" in caplog.text
    assert "llm answers again" in caplog.text


def test_an_outage_that_several_requests_meet_is_told_once(view: View) -> None:
    told: list[str] = []
    all_ask = threading.Barrier(4)

    class Down(FakeModel):
        def propose(self, view: View) -> Proposal:
            all_ask.wait(60)
            raise EndpointError("503")

    both = Turns(Down(), (), OptunaResearcher(), told.append)
    with ThreadPoolExecutor(4) as threads:
        made = [threads.submit(both.propose, replace(view, number=n)) for n in range(1, 5)]
    assert [each.result().researcher for each in made] == ["optuna"] * 4
    assert told == ["503"]


def test_nobody_stands_in_once_the_campaign_ends(view: View) -> None:
    both = turns(FakeModel(EndpointError("stopped")))
    both.close()
    with pytest.raises(Cancelled):
        both.propose(view)


def test_without_a_fallback_an_outage_ends_the_campaign(view: View) -> None:
    with pytest.raises(KitError, match="llm can't be asked: 503"):
        turns(FakeModel(EndpointError("503")), fallback=False).propose(view)


def test_a_cap_is_no_reason_for_the_fallback(view: View) -> None:
    with pytest.raises(LimitReached):
        turns(FakeModel(LimitReached("enough"))).propose(view)


DOWN = EndpointError("503")


@pytest.mark.parametrize(
    ("author", "error", "mended"),
    [("llm", None, True), ("optuna", None, False), ("baseline", None, False), ("llm", DOWN, False)],
)
def test_a_crash_is_mended_by_its_author(
    view: View, author: str, error: KitError | None, mended: bool
) -> None:
    repaired = turns(FakeModel(error)).repair(view, Proposal(1, 0, author, "i", "h"))
    assert (repaired is not None and repaired.hypothesis == "mended") is mended


@pytest.mark.parametrize(
    ("author", "error", "researcher", "hypothesis"),
    [
        ("llm", None, "llm", "carried over"),
        ("gone", None, "llm", ""),
        ("llm", DOWN, "optuna", "a step from the best"),
    ],
)
def test_an_idea_is_carried_over_by_its_author(
    view: View, author: str, error: KitError | None, researcher: str, hypothesis: str
) -> None:
    prepared = Proposal(view.number, 7, author, "an idea", "")
    carried = turns(FakeModel(error)).carry_over(view, prepared)
    assert carried.researcher == researcher
    assert carried.hypothesis.startswith(hypothesis)


def test_closing_reaches_every_researcher() -> None:
    first, other = FakeModel(), FakeModel(name="other")
    Turns(first, [Share(other, 2)]).close()
    assert first.closed
    assert other.closed


def test_an_unknown_researcher_is_answered_with_those_there_are() -> None:
    assert check_name("optuna") == "optuna"
    with pytest.raises(InputError, match="no researcher 'optna'; there are: optuna, llm"):
        check_name("optna")


def make_fake(*_: object) -> FakeModel:
    return FakeModel(name="fake")


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Return another package, installed, with entry points of its own."""
    info = tmp_path / "site" / "theirs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    points = f"fake = {__name__}:make_fake\nbad = no_such_module:make\nllm = theirs:make\n"
    (info / "entry_points.txt").write_text(f"[{researchers.GROUP}]\n{points}")
    monkeypatch.syspath_prepend(info.parent)


def find_turns(ledger: Ledger, name: str) -> Turns:
    settings = replace(ledger.around.settings, researcher=name)
    around, meter = replace(ledger.around, settings=settings), Meter(ledger.workspace.usage)
    return researchers.find_turns(around, meter, None, lambda _: None)


def test_without_a_model_optuna_has_its_turns(ledger: Ledger) -> None:
    assert find_turns(ledger, "llm").propose(ledger.view).researcher == "optuna"


@pytest.mark.usefixtures("plugins")
def test_an_entry_point_adds_a_researcher(ledger: Ledger) -> None:
    assert find_turns(ledger, check_name("fake")).propose(ledger.view).researcher == "fake"


@pytest.mark.usefixtures("plugins")
def test_a_researcher_that_can_not_be_loaded_is_named(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="researcher 'bad' can't be loaded from no_such_module"):
        find_turns(ledger, "bad")


@pytest.mark.usefixtures("plugins")
def test_another_package_can_not_take_over_a_name() -> None:
    assert researchers._entry_points()["llm"] in researchers.OWN
