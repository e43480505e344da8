"""A campaign whose keeps wait for a person."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import loop, notify
from autoresearch_kit.campaign.background import CopiesAndNotices
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Approval, Experiment, Verdict
from tests.campaign import made_up_runs, tiny
from tests.campaign.stub_pool import StubPool, Wants, campaign, run

GATED = replace(made_up_runs.SETTINGS, approve=True)
BETTER = ({"WIDTH": 64}, {"BATCH": 8}, {"WIDTH": 65}, {"BATCH": 9}, {"WIDTH": 66})


@pytest.fixture
def pool(project: Path) -> StubPool:
    tiny.git(project, "config", "user.name", "Ada")
    tiny.git(project, "config", "user.email", "ada@example.org")
    return StubPool(Workspace(project, "night").runs, slots=1)


def when_recorded(number: int, act: Callable[[], object]) -> Callable[[StubPool], object]:
    """Act once, as soon as a run of the experiment after this one is over."""
    left = [act]

    def delivered(pool: StubPool) -> None:
        if left and any(key.startswith(f"{number + 1:04d}") for key in pool.keys):
            left.pop()()

    return delivered


def test_the_loop_goes_on_from_the_best_approved(project: Path, pool: StubPool) -> None:
    tried = run(project, pool, Wants(*BETTER), GATED, experiments=3)
    assert [each.verdict for each in tried] == [Verdict.KEEP] * 4
    assert [each.proposal.parent for each in tried] == [None, 0, 0, 0]


def test_a_running_loop_notices_an_approval(project: Path, pool: StubPool) -> None:
    history = History(project, "night")
    pool.delivered = when_recorded(1, lambda: history.answer(1, approved=True))
    tried = run(project, pool, Wants(*BETTER), GATED, experiments=4)
    assert [each.proposal.parent for each in tried][3:] == [1, 1]
    assert tried[-1].against == 1


def test_what_was_under_way_is_merged_onto_what_was_approved(project: Path, pool: StubPool) -> None:
    history = History(project, "night")
    pool.delivered = when_recorded(1, lambda: history.answer(1, approved=True))
    second = run(project, pool, Wants(*BETTER), GATED, experiments=2)[2]
    assert (second.against, [each.base for each in second.passed]) == (1, [0])


def test_a_running_loop_builds_on_nothing_rejected(project: Path, pool: StubPool) -> None:
    history = History(project, "night")
    pool.delivered = when_recorded(1, lambda: history.answer(1, approved=False))
    tried = run(project, pool, Wants(*BETTER), GATED, experiments=3)
    assert {each.proposal.parent for each in tried[1:]} == {0}


def test_an_approval_between_two_starts_counts(project: Path, pool: StubPool) -> None:
    run(project, pool, Wants(*BETTER), GATED, experiments=1)
    History(project, "night").answer(1, approved=True)
    [second] = run(project, pool, Wants(*BETTER), GATED, experiments=2)
    assert second.proposal.parent == 1


def test_a_loop_without_approvals_asks_git_nothing_more(
    project: Path, pool: StubPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(_: History) -> dict[int, Approval]:
        raise AssertionError("git was asked")

    monkeypatch.setattr(History, "answers", answers)
    tried = run(project, pool, Wants(*BETTER), GATED, experiments=2)
    assert len(tried) == 3


def test_a_keep_that_waits_is_told(
    project: Path, pool: StubPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[int]()
    monkeypatch.setattr(
        CopiesAndNotices, "approval_needed", lambda _, each: told.append(each.number)
    )
    with campaign(project, pool, Wants(*BETTER), GATED, 2) as parts:
        list(loop.run(parts, CopiesAndNotices(parts.workspace)))
    assert told == [1, 2]


def test_the_notice_says_how_to_answer(project: Path, pool: StubPool) -> None:
    kept: Experiment = run(project, pool, Wants(*BETTER), GATED, experiments=1)[1]
    said = notify.approval_notice(kept)
    assert "'night': experiment 1 waits for approval, val_bpb " in said
    assert "autoresearch approve night 1, or reject night 1" in said
