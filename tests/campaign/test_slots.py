"""Slots that are lost, new, or unlike the others."""

from pathlib import Path

import pytest

from autoresearch_kit.campaign import slots
from autoresearch_kit.campaign.slot_checks import CHECKS
from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.pool import Order
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Reason, Verdict
from tests.campaign.stub_pool import StubPool, Wants, run
from tests.ledger import ledger

WORSE = Wants({"WIDTH": 4})


@pytest.fixture
def pool(project: Path) -> StubPool:
    made = StubPool(Workspace(project, "night").runs)
    made.in_order = True
    return made


def checks(pool: StubPool) -> list[str]:
    return [order.slot for order in pool.began if "-check-" in order.key]


def test_a_lost_run_goes_elsewhere_with_its_seed(project: Path, pool: StubPool) -> None:
    lost: list[Order] = []

    def lose(order: Order) -> bool:
        if not lost and order.key.startswith("0001"):
            lost.append(order)
            del pool.speeds[order.slot]
            return True
        return False

    pool.lose = lose
    tried = run(project, pool, WORSE, experiments=1)
    again = [order for order in pool.began if order.key == lost[0].key]
    assert len(again) == 2
    assert again[1].seed == lost[0].seed
    assert again[1].slot != lost[0].slot
    assert [each.verdict for each in tried] == [Verdict.KEEP, Verdict.DISCARD]
    assert len(tried[1].runs) == 1


def test_code_that_loses_its_slots_again_and_again_crashes(project: Path, pool: StubPool) -> None:
    pool.lose = lambda order: order.key.startswith("0001")
    crashed = run(project, pool, WORSE, experiments=1)[-1]
    assert (crashed.verdict, crashed.reason) == (Verdict.CRASH, Reason.KIT_FAILED)
    assert "its slot was lost 3 times, the last time cpu" in crashed.detail


def test_a_lost_audit_costs_nothing(project: Path, pool: StubPool) -> None:
    pool.lose = lambda order: order.audits is not None
    baseline, kept = run(project, pool, Wants({"WIDTH": 64}), experiments=1)
    assert (baseline.verdict, kept.verdict) == (Verdict.KEEP, Verdict.KEEP)


def test_slots_that_ran_the_baseline_alike_are_not_checked(project: Path, pool: StubPool) -> None:
    baseline, *_ = run(project, pool, WORSE)
    assert sorted(run.slot for run in baseline.runs) == ["cpu0", "cpu1"]
    assert checks(pool) == []


def test_a_new_slot_first_runs_the_best_once_more(project: Path, pool: StubPool) -> None:
    def add(pool: StubPool) -> None:
        if any(key.startswith("0001") for key in pool.keys):
            pool.speeds.setdefault("cpu2", 1000)

    pool.delivered = add
    tried = run(project, pool, WORSE, experiments=6)
    new = [order.key for order in pool.began if order.slot == "cpu2"]
    assert new[0].startswith("0000-check-cpu2-")
    assert len(new) > 1
    reruns = [each for one in tried for each in one.reruns if each.slot == "cpu2"]
    assert len(reruns) == 1


def test_a_slow_slot_is_left_out(
    project: Path, pool: StubPool, caplog: pytest.LogCaptureFixture
) -> None:
    pool.speeds["cpu2"] = 500
    tried = run(project, pool, WORSE, experiments=4)
    assert checks(pool) == ["cpu2", "cpu2"]
    assert {run.slot for one in tried[1:] for run in one.runs} == {"cpu0", "cpu1"}
    said = "slot cpu2 is left out: the best makes 500 tokens a second there, 1,000 elsewhere"
    assert said in caplog.text


def test_a_slot_that_was_left_out_is_checked_again(
    project: Path, pool: StubPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "AGAIN_SECONDS", 0.0)
    pool.speeds["cpu2"] = 500

    def mend(pool: StubPool) -> None:
        if checks(pool).count("cpu2") > CHECKS:
            pool.speeds["cpu2"] = 1000

    pool.delivered = mend
    tried = run(project, pool, WORSE, experiments=14)
    assert checks(pool).count("cpu2") > CHECKS
    assert "cpu2" in {run.slot for one in tried[1:] for run in one.runs}


def test_a_campaign_without_a_usable_slot_says_why(project: Path, pool: StubPool) -> None:
    run(project, pool, WORSE, experiments=1)
    pool = StubPool(pool.runs)
    pool.speeds = dict.fromkeys(pool.speeds, 500)
    with pytest.raises(KitError, match="no slot can be used"):
        run(project, pool, WORSE, experiments=2)


def test_runs_on_a_slot_left_out_count_for_nothing(project: Path, pool: StubPool) -> None:
    pool.speeds["cpu2"] = 500
    tried = run(project, pool, WORSE, experiments=4)
    assert "cpu2" not in {each.slot for one in tried for each in one.reruns}
    aside = [each for one in tried for each in one.set_aside if each.slot == "cpu2"]
    assert len(aside) == len(checks(pool))


def test_a_slot_that_left_as_its_check_ended_is_checked_again(
    pool: StubPool,
) -> None:
    there = slots.Slots(pool)
    there.look()
    del pool.speeds["cpu1"]
    there.look()
    there.accept("cpu1")
    pool.speeds["cpu1"] = 1000
    there.look()
    assert "cpu1" in there.unchecked()


def test_without_noise_slots_may_differ_by_how_they_add_up() -> None:
    others = [ledger.run(value=0.3)]
    assert not slots.why_unlike(ledger.run(value=0.1 + 0.2), others, 0.0)
    assert slots.why_unlike(ledger.run(value=0.31), others, 0.0)
