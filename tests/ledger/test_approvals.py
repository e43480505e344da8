"""Answers whether keeps may be built on: who gave them, what follows, how they travel."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.ledger import History
from autoresearch_kit.ledger.sharing import bundle, fetch, push
from autoresearch_kit.records import Approval, Direction, Metric, Settings, Task, Verdict, best_of
from autoresearch_kit.reports.summary import summarise
from autoresearch_kit.reports.summary_words import outcomes
from tests.ledger.ledger import SETTINGS, experiment, git, init

GATED = replace(SETTINGS, approve=True)


def add(
    history: History,
    number: int,
    value: float,
    settings: Settings = GATED,
    verdict: Verdict = Verdict.KEEP,
) -> None:
    made = experiment(number, value, verdict)
    made = replace(made, settings=settings, against=0 if number else None)
    history.append(made, f"notebook {number}\n", {})


@pytest.fixture
def gated(history: History) -> History:
    """Make a baseline and three keeps held against it, which wait."""
    for number, value in enumerate((1.5, 1.3, 1.1, 1.2)):
        add(history, number, value)
    return history


def best(history: History) -> int:
    entry = history.best()
    assert entry
    return entry.experiment.number


def test_a_keep_that_waits_is_not_the_best(gated: History) -> None:
    assert best(gated) == 0
    assert [each.waits for each in gated.experiments()] == [False, True, True, True]


def test_an_approved_keep_is_the_best(gated: History) -> None:
    gated.answer(1, approved=True)
    assert best(gated) == 1
    code = gated.entries()[1].code_commit
    assert git(gated.root, "rev-parse", "autoresearch/night").strip() == code


def test_a_rejected_keep_is_never_built_on(gated: History) -> None:
    gated.answer(2, approved=False)
    assert best(gated) == 0
    assert not gated.experiment(2).waits


@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_of_approved_siblings_the_better_score_is_best(
    gated: History, order: tuple[int, int]
) -> None:
    for number in order:
        gated.answer(number, approved=True)
    assert best(gated) == 2


def test_a_maximised_metric_takes_the_largest_sibling() -> None:
    task = Task("t", (Metric("accuracy", Direction.HIGHER),), ("accuracy",))
    yes = Approval(True, "Ada", "ada@example.org", "2026-03-08T21:00:00+00:00")
    baseline, *keeps = [
        replace(experiment(number, value), settings=replace(GATED, task=task), approval=yes)
        for number, value in enumerate((0.5, 0.9, 0.7))
    ]
    found = best_of([baseline, *(replace(each, against=0) for each in keeps)])
    assert found
    assert found.number == 1


def test_an_answer_says_who_and_when(gated: History) -> None:
    gated.answer(1, approved=True, note="looked at it")
    answer = gated.experiment(1).approval
    assert answer
    assert (answer.name, answer.email, answer.note) == ("Ada", "ada@example.org", "looked at it")
    ref = "refs/autoresearch/night/approvals/0001"
    said = git(gated.root, "log", "-1", "--format=%an %s %b", ref)
    assert said.startswith("Ada Approve night 0001 looked at it")


def test_an_answer_is_never_changed(gated: History) -> None:
    gated.answer(1, approved=False)
    with pytest.raises(InputError, match=r"was rejected by Ada .*; an answer is never changed"):
        gated.answer(1, approved=True)


def test_only_a_keep_that_waits_is_answered(gated: History) -> None:
    add(gated, 4, 1.9, verdict=Verdict.DISCARD)
    for number, why in [(0, "is the baseline"), (4, "is no keep")]:
        with pytest.raises(InputError, match=why):
            gated.answer(number, approved=True)
    with pytest.raises(LedgerError, match="no experiment 9"):
        gated.answer(9, approved=True)


def test_keeps_of_other_campaigns_wait_for_nobody(history: History) -> None:
    add(history, 0, 1.5, SETTINGS)
    add(history, 1, 1.4, SETTINGS)
    assert best(history) == 1
    with pytest.raises(InputError, match="started without --approve"):
        history.answer(1, approved=True)


def test_an_unknown_person_answers_nothing(
    gated: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git(gated.root, "config", "--unset", "user.email")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "none"))
    for name in ("EMAIL", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_NAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="git does not know who you are"):
        gated.answer(1, approved=True)


def test_answers_are_seen_by_a_reader_that_knows_the_rest(gated: History) -> None:
    known = {each.experiment.number: each for each in gated.entries()}
    gated.answer(1, approved=True)
    again = gated.entries(known)
    assert again == gated.entries()
    assert again[1].experiment.kept
    git(gated.root, "update-ref", "-d", "refs/autoresearch/night/approvals/0001")
    after = gated.entries({each.experiment.number: each for each in again})
    assert after[1].experiment.waits


def test_answers_travel_by_push_fetch_and_bundle(gated: History, tmp_path: Path) -> None:
    gated.answer(2, approved=True)
    bare, other = init(tmp_path / "bare.git", "--bare"), init(tmp_path / "other")
    third, file = init(tmp_path / "third"), tmp_path / "night.bundle"
    assert push(gated.root, "night", str(bare)) == 4
    fetch(other, "night", str(bare))
    bundle(gated.root, "night", file)
    fetch(third, "night", str(file))
    for root in (other, third):
        assert History(root, "night").entries() == gated.entries()
    History(other, "night").answer(1, approved=False)
    assert fetch(gated.root, "night", str(other)) == ["night"]
    assert gated.experiment(1).approval


def test_different_answers_in_two_places_are_named(gated: History, tmp_path: Path) -> None:
    other = init(tmp_path / "other")
    fetch(other, "night", str(gated.root))
    gated.answer(1, approved=True)
    History(other, "night").answer(1, approved=False)
    with pytest.raises(LedgerError, match="approvals/0001 is a different answer"):
        fetch(gated.root, "night", str(other))


def test_a_ref_that_is_no_answer_is_named(gated: History) -> None:
    ref = "refs/autoresearch/night/approvals/0001"
    git(gated.root, "update-ref", ref, "refs/autoresearch/night/0002")
    with pytest.raises(LedgerError, match=f"remove it: git update-ref -d {ref}"):
        gated.entries()


def test_a_deleted_campaign_leaves_no_answers(gated: History) -> None:
    gated.answer(1, approved=True)
    gated.delete()
    assert git(gated.root, "for-each-ref", "refs/autoresearch") == ""


def test_an_answer_is_told_in_one_line() -> None:
    said = str(Approval(False, "Ann", "a@b", "now", "too slow:\nlook at\x1b[31m 3"))
    assert said == "rejected by Ann <a@b> at now: too slow: look at [31m 3"


def test_what_was_rejected_is_counted_apart(gated: History) -> None:
    gated.answer(2, approved=False)
    summary = summarise("night", gated.experiments())
    assert outcomes(summary) == "3 kept, 0 crashed, 1 rejected, 2 waiting for approval"
