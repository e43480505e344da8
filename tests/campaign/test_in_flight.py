"""Several experiments in flight, on two slots: the last run submitted ends first."""

from collections.abc import Callable
from concurrent.futures import wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import measuring
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.orders import Steps, order
from autoresearch_kit.errors import Cancelled, ExecutionError, LimitReached
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.local import LocalPool
from autoresearch_kit.execution.pool import Order
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    Conditions,
    Experiment,
    Proposal,
    Reason,
    Request,
    Run,
    Verdict,
    best_of,
)
from autoresearch_kit.researchers import View
from tests.campaign import made_up_runs, tiny
from tests.campaign.stub_pool import CAREFUL, StubPool, Wants, run
from tests.ledger import ledger

BOTH = Wants({"WIDTH": 64}, {"BATCH": 8}, {"WIDTH": 4})
"""Two ideas that both help and don't conflict, and one that is worse than either."""


@pytest.fixture
def pool(project: Path) -> StubPool:
    return StubPool(Workspace(project, "night").runs)


def numbers(pool: StubPool) -> list[int]:
    """Return the experiments of the runs under way."""
    return [int(order.key[:4]) for order, _ in pool.under_way]


def stops_at(*under_way: int) -> Callable[[StubPool], None]:
    """Return a person who stops the campaign when these experiments' runs are under way."""

    def stop(pool: StubPool) -> None:
        if tuple(numbers(pool)) == under_way:
            raise Cancelled("stopped")

    return stop


def test_experiments_finish_in_any_order_under_their_numbers(project: Path, pool: StubPool) -> None:
    workspace, researcher = Workspace(project, "night"), Wants({"WIDTH": 64}, {"WIDTH": 4})
    tried = run(project, pool, researcher)
    assert [each.number for each in tried] == [0, 2, 3, 1]
    by_number = sorted(tried, key=lambda each: each.number)
    assert History(project, "night").experiments() == by_number
    assert researcher.asked == [(1, []), (2, [1]), (3, [1])]
    assert (workspace.under_way.numbers(), list(workspace.runs.iterdir())) == (set(), [])


def test_what_passes_is_merged_onto_the_best_of_now(project: Path, pool: StubPool) -> None:
    """Experiment 1 passes against the baseline after 2, which ran beside it, was kept."""
    tried = run(project, pool, BOTH, experiments=2)
    second, first = tried[1:]
    assert (second.number, second.verdict, second.against) == (2, Verdict.KEEP, 0)
    assert (first.verdict, first.against, first.proposal.parent) == (Verdict.KEEP, 2, 2)
    assert first.constants == {**second.constants, "WIDTH": 64}
    assert [(each.base, dict(each.constants)) for each in first.passed] == [(0, {"WIDTH": 64})]
    assert best_of(tried) == first
    head = tiny.git(project, "rev-parse", "autoresearch/night").strip()
    assert head == History(project, "night").entries()[1].code_commit


def test_merged_code_gets_fresh_seeds(project: Path, pool: StubPool) -> None:
    first = run(project, pool, BOTH, CAREFUL, experiments=2)[-1]
    (passed,) = first.passed
    assert len(first.runs) == 3
    assert not {each.seed for each in first.runs} & {each.seed for each in passed.runs}
    assert {"before-merge-1-1.ipynb", "run-3.ipynb"} <= set(files_of(project, first.number))


def test_what_conflicts_with_the_best_of_now_is_discarded(project: Path, pool: StubPool) -> None:
    first = run(project, pool, Wants({"WIDTH": 64}, {"WIDTH": 16}), experiments=2)[-1]
    assert (first.number, first.verdict, first.reason) == (1, Verdict.DISCARD, Reason.CONFLICT)
    assert first.against == 0
    assert "its edits conflict with those of 2" in first.detail


def test_missing_runs_go_out_together(project: Path) -> None:
    pool = StubPool(Workspace(project, "night").runs, slots=6)
    run(project, pool, Wants({"WIDTH": 64}), CAREFUL, experiments=1)
    keys = [order.key for order in pool.began if order.audits is None]
    own = [key for key in keys if key.startswith("0001-challenger")]
    best = [key for key in pool.keys if key.startswith("0000-again")]
    assert keys[-4:] == [*own[1:], *best]
    assert len(best) == 2


def test_ideas_share_the_reruns_of_the_best(project: Path) -> None:
    pool = StubPool(Workspace(project, "night").runs, slots=6)
    pool.in_order = True
    tried = run(project, pool, Wants({"WIDTH": 64}, {"BATCH": 8}), CAREFUL, experiments=2)
    best = [key for key in pool.keys if key.startswith("0000-again")]
    assert len(best) == len(set(best)) == 2
    reruns = [each.passed[0].reruns if each.passed else each.reruns for each in tried[1:]]
    assert [{each.seed for each in some} for some in reruns] == [{r.seed for r in reruns[0]}] * 2


def test_a_discard_cancels_its_runs_in_flight(project: Path) -> None:
    pool = StubPool(Workspace(project, "night").runs, slots=6)
    pool.in_order = True
    pool.unlucky = lambda order: 0.2 * order.key.startswith("0001-challenger-1-")
    tried = run(project, pool, Wants({"WIDTH": 9}), CAREFUL, experiments=1)
    assert tried[-1].verdict is Verdict.DISCARD
    assert pool.cancelled == ["0000-again-0-0-1", "0000-again-1-0-1", "0001-challenger-2-0-1"]


def test_a_resumed_campaign_begins_all_pending_ones_in_order(project: Path) -> None:
    workspace = Workspace(project, "night")
    with pytest.raises(Cancelled):
        run(project, StubPool(workspace.runs, delivered=stops_at(1, 2)), BOTH)
    assert [each.number for each in workspace.under_way.pending()] == [1, 2]
    pool, researcher = StubPool(workspace.runs), Wants({"WIDTH": 64}, {"BATCH": 8}, {"WIDTH": 4})
    tried = run(project, pool, researcher)
    begun = [key for key in pool.keys if key.endswith("challenger-0-0-1")]
    assert begun == ["0001-challenger-0-0-1", "0002-challenger-0-0-1", "0003-challenger-0-0-1"]
    assert [number for number, _ in researcher.asked] == [3]
    assert {each.number for each in tried} == {1, 2, 3}


def files_of(project: Path, number: int) -> list[str]:
    ref = f"refs/autoresearch/night/{number:04d}"
    paths = tiny.git(project, "ls-tree", "-r", "--name-only", ref, "experiments/").split()
    return [path.rpartition("/")[2] for path in paths]


def test_a_run_that_is_over_is_delivered_before_another_raises(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = iter([ledger.run(), None])

    def execute(*_: object, **__: object) -> Run:
        if (run := next(ends)) is None:
            raise ExecutionError("a process can't be killed")
        return run

    monkeypatch.setattr(launch, "execute", execute)
    workspace, history = Workspace(project, "night"), History(project, "night")
    workspace.create()
    context = made_up_runs.made_up_context(workspace, history, made_up_runs.SETTINGS)
    with closing(LocalPool(context.site, context.devices, workspace, workspace.runs)) as pool:
        for key in ("0001", "0002"):
            pool.submit(order(context, key, context.baseline, 1))
        wait([submitted.done for submitted in pool._submitted.values()])
        assert [each.key for each in pool.wait(60)] == ["0001"]
        with pytest.raises(ExecutionError):
            pool.wait(60)


def test_what_is_shared_stays_until_all_have_it(project: Path) -> None:
    """Experiment 1 is recorded as it gets the run of the best that experiment 2 waits for too."""
    pool = StubPool(Workspace(project, "night").runs, slots=6)
    pool.in_order = True
    wanted = Wants({"WIDTH": 64}, {"WIDTH": 63})
    tried = run(project, pool, wanted, CAREFUL, experiments=2)
    both = [{run.seed for run in all_reruns(each)} for each in tried[1:]]
    assert both[0] & both[1]


def all_reruns(each: Experiment) -> list[Run]:
    return [*each.reruns, *(run for passed in each.passed for run in passed.reruns)]


def test_a_run_given_up_is_not_run_after_all(project: Path) -> None:
    """The third run is bad and is over before the second, which nobody needs then."""
    pool = StubPool(Workspace(project, "night").runs, slots=6)
    pool.unlucky = lambda order: 0.2 * order.key.startswith("0001-challenger-2-")
    settings = replace(CAREFUL, max_elsewhere=0.3)
    discard = run(project, pool, Wants({"WIDTH": 9}), settings, experiments=1)[-1]
    assert discard.verdict is Verdict.DISCARD
    assert "0001-challenger-1-0-1" in pool.cancelled
    assert len(pool.keys) == len(set(pool.keys))


def test_a_limit_of_tokens_lets_what_runs_be_decided(project: Path, pool: StubPool) -> None:
    class Capped(Wants):
        def propose(self, view: View) -> Proposal:
            if view.number == 2:
                raise LimitReached("the tokens are spent")
            return super().propose(view)

    with pytest.raises(LimitReached):
        run(project, pool, Capped({"WIDTH": 64}))
    recorded = History(project, "night").experiments()
    assert [each.number for each in recorded] == [0, 1]


def test_a_stop_ends_what_waits_while_others_are_decided(
    project: Path, pool: StubPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Experiment 1 waits for a quiet machine, and 2 runs, when a person stops the campaign."""
    workspace = Workspace(project, "night")

    def wait_until_quiet(heartbeat: Heartbeat, *_: object) -> Steps[bool]:
        workspace.write_request(Request.STOP)
        while True:
            heartbeat.obey()
            yield ()

    def conditions(order: Order, run: Run) -> Run:
        return replace(run, conditions=Conditions(0.9 * order.key.startswith("0001"), 1.0))

    monkeypatch.setattr(measuring, "wait_until_quiet", wait_until_quiet)
    pool.changed, pool.in_order = conditions, True
    tried = run(project, pool, BOTH, replace(made_up_runs.SETTINGS, max_elsewhere=0.3))
    assert [each.number for each in tried] == [0, 2]
    assert [each.number for each in workspace.under_way.pending()] == [1]
