"""Words for what the slots of a running campaign do."""

import platform
import time
from dataclasses import replace

import pytest

from autoresearch_kit.records import Limits, Request, Stage, State
from autoresearch_kit.reports.status import (
    idle_seconds,
    slot_lines,
    slots_in_short,
    under_way,
    words,
)
from tests.reports.nights import use, uses


def state(slots: int, *free: int) -> State:
    made = State("night", 1, Stage.RUNNING, "", 7, "wider", "", Limits(), 0.0, time.time())
    return replace(made, slots=uses(slots, free))


def test_left_out_and_idle_slots_come_first() -> None:
    lines = slot_lines(uses(64, free=(40,), left_out=(60,)), 100.0)
    assert len(lines) == 64
    assert [line.slot for line in lines[:3]] == ["node-7/gpu4", "node-5/gpu0", "node-0/gpu0"]
    assert lines[0].doing == "left out: 4,000 tokens/s, 40% below its class"
    assert lines[1].doing == "idle"
    assert lines[2].doing == "7: wider"


def test_a_line_says_which_run_and_for_how_long() -> None:
    [line] = slot_lines([use("gpu0", 12, 70.0, words="run 2 of 3")], 204.0)
    assert (line.doing, line.lasts) == ("12, run 2 of 3: wider", "134 s")
    assert (line.training, line.idle) == ("90.0%", "50 s")


def test_a_line_says_what_a_run_waits_for() -> None:
    begun = use("gpu0", 12)
    waits = replace(begun, slot=replace(begun.slot, waiting="another campaign's run is there"))
    [line] = slot_lines([waits], 0.0)
    assert line.doing == "12: wider; waits: another campaign's run is there"


def test_another_machine_is_named() -> None:
    slot = use("gpu0").slot
    slots = [replace(slot, node=node) for node in ("far", platform.node())]
    slots.append(replace(slot, name="far/gpu0", node="far"))
    lines = slot_lines([replace(use("gpu0"), slot=each) for each in slots], 0.0)
    assert [line.slot for line in lines] == ["gpu0 on far", "gpu0", "far/gpu0"]


def test_idle_seconds_grow_only_while_a_slot_waits_for_work() -> None:
    left_out = uses(1, left_out=(0,))[0]
    each = (use("gpu0", since=10.0), use("gpu0", 7, 10.0), left_out)
    assert [idle_seconds(one, 30.0) for one in each] == [70.0, 50.0, 50.0]


def test_many_slots_are_summed_in_a_line() -> None:
    said = slots_in_short(uses(64, free=(40,), left_out=(60,)), 60.0)
    assert (
        said == "64 slots: 62 running, 1 idle, 1 left out; trained 90.0% of the time, idle 3,210 s"
    )
    assert slots_in_short(uses(1), 60.0) == "gpu0: trained 90.0% of the time, idle 50 s"


@pytest.mark.parametrize(
    ("slots", "free", "said"),
    [
        (1, (), "running, experiment 7, stops after it"),
        (4, (), "running, 4 experiments on 4 of 4 slots, stops after them"),
        (4, (0, 1, 2), "running, experiment 7 on 1 of 4 slots, stops after it"),
        (2, (0, 1), "running, no experiment on 2 slots, stops after them"),
    ],
)
def test_a_request_holds_for_all_in_flight(slots: int, free: tuple[int, ...], said: str) -> None:
    now = state(slots, *free)
    assert words(now, True, Request.STOP, now.heartbeat) == f"{said}, seen 0 s ago"


def test_one_experiment_on_two_slots_is_one() -> None:
    both = replace(state(2), slots=(use("gpu0", 7), use("gpu1", 7)))
    assert under_way(both) == "this experiment"
    assert under_way(state(3)) == "the 3 experiments under way"
