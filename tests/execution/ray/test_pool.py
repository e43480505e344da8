"""The pool's decisions, with a bridge that says what each test wants."""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.pool import Delivery, Lost
from autoresearch_kit.execution.ray.pool import RayPool, Timeouts
from tests.execution.ray.cluster import connect_to, order

HEAD = """
from dataclasses import replace
from autoresearch_kit.execution.ray.messages import *
from autoresearch_kit.records import (
    Clock, Fingerprint, Machine, Reason, Run, SandboxLevel,
)

CLASS = Fingerprint("c", "t", "p", "s", "2.13", "H100", Clock.WALL)
MACHINE = Machine("H100", False, "float32", False, 1, 1000.0, "2.13", "3", "Linux")
REPORT = Report(MACHINE, CLASS, SandboxLevel.BUBBLEWRAP)
RUN = Run(7, None, Reason.ERROR, "", 1, 0, 1, 1, 1, 1, SandboxLevel.NONE)

def up(name, **changed):
    say(SlotUp(name, name.split("/")[0], replace(REPORT, **changed)))
"""

QUICK = Timeouts(devices=5, bridges=(0.05, 0.05), coming=5)

Make = Callable[..., RayPool]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def opened(*lives: str, timeouts: Timeouts = QUICK) -> RayPool:
        scripts = tmp_path / "lives"
        scripts.mkdir()
        for number, life in enumerate(lives):
            (scripts / f"{number}.py").write_text(HEAD + life)
        argv = [sys.executable, "-m", "tests.execution.ray.scripted", str(scripts)]
        connect = connect_to("ray", tmp_path)
        return RayPool(connect, tmp_path / "ray.log", timeouts=timeouts, argv=argv)

    return opened


def over(pool: RayPool, count: int = 1) -> list[Delivery | Lost]:
    found, end = list[Delivery | Lost](), time.monotonic() + 30
    while len(found) < count and time.monotonic() < end:
        found += pool.wait(0.1)
    return found


def test_slots_of_another_class_are_left_out_with_why(make: Make) -> None:
    life = """
up("a/gpu0"); up("b/gpu0"); say(DevicesKnown(6, 0))
up("c/gpu0", fingerprint=replace(CLASS, torch="2.9"))
up("d/gpu0", fingerprint=replace(CLASS, device="A100"))
up("e/gpu0", sandbox=SandboxLevel.NONE)
say(SlotUnusable("f/gpu0", "f", "Ray lent a GPU here, but torch sees none"))
"""
    with closing(make(life)) as pool:
        assert pool.choose().fingerprint.device == "H100"
        end = time.monotonic() + 10
        while len(pool.slots()) < 6 and time.monotonic() < end:
            pool.wait(0.1)
        assert {slot.name: slot.left_out for slot in pool.slots()} == {
            "a/gpu0": "",
            "b/gpu0": "",
            "c/gpu0": "torch was 2.13, is 2.9",
            "d/gpu0": "device was H100, is A100",
            "e/gpu0": "it has no bubblewrap, which the campaign's runs have",
            "f/gpu0": "Ray lent a GPU here, but torch sees none",
        }


def test_the_class_is_that_of_most_slots(make: Make) -> None:
    life = """
up("a/gpu0", fingerprint=replace(CLASS, device="A100"))
up("b/gpu0"); up("c/gpu0"); say(DevicesKnown(3, 0))
"""
    with closing(make(life)) as pool:
        assert pool.choose().fingerprint.device == "H100"


def test_a_second_delivery_of_a_key_is_dropped(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    life = """
up("a/cpu0"); say(DevicesKnown(1, 0))
hear()
for _ in range(2):
    say(Delivered("a/cpu0", "k", RUN))
say(Delivered("a/cpu0", "unasked", RUN))
hear()
say(Delivered("a/cpu0", "last", RUN))
"""
    with closing(make(life)) as pool, caplog.at_level("WARNING"):
        pool.choose()
        pool.submit(order("k"))
        pool.submit(order("last"))
        assert [each.key for each in over(pool, 2)] == ["k", "last"]
        assert not pool.wait(0.1)
    assert "run k came from a/cpu0 too late, or twice" in caplog.messages


def test_a_late_delivery_of_a_lost_order_is_dropped(make: Make) -> None:
    life = """
up("a/cpu0"); say(DevicesKnown(1, 0))
hear()
say(SlotGone("a/cpu0", "its node died"))
say(Delivered("a/cpu0", "k", RUN))
up("a/cpu0")
"""
    with closing(make(life)) as pool:
        pool.choose()
        pool.submit(order("k"))
        (lost,) = over(pool)
        assert lost == Lost("k", "a/cpu0", "its node died")
        while not any(slot.free for slot in pool.slots()):
            assert not pool.wait(0.1)


def test_a_slot_that_fails_takes_no_more_orders(make: Make) -> None:
    life = """
up("a/cpu0"); up("b/cpu0"); say(DevicesKnown(2, 0))
hear()
say(OrderFailed("a/cpu0", "k", "its disk is full: 3 MB free at /cache"))
while True:
    given = hear()
    say(Delivered(given.slot, given.order.key, RUN))
"""
    with closing(make(life)) as pool:
        pool.choose()
        pool.submit(order("k"))
        (lost,) = over(pool)
        assert isinstance(lost, Lost)
        for key in ("k", "l", "m"):
            pool.submit(order(key))
        assert {each.slot for each in over(pool, 3)} == {"b/cpu0"}


def test_an_audit_goes_where_its_model_is(make: Make) -> None:
    life = """
up("a/cpu0"); up("b/cpu0"); say(DevicesKnown(2, 0))
given = hear()
say(Delivered("b/cpu0", given.order.key, replace(RUN, slot="b/cpu0")))
given = hear()
say(Delivered(given.slot, given.order.key, replace(RUN, detail=given.folder)))
say(SlotGone("b/cpu0", "its node died"))
"""
    with closing(make(life)) as pool:
        pool.choose()
        pool.submit(order("k", slot="b/cpu0"))
        (run,) = over(pool)
        assert isinstance(run, Delivery)
        audit = Delivery("k-audit", run.run, run.folder, run.slot)
        pool.submit(order("k-audit", audits=audit))
        (audited,) = over(pool)
        assert isinstance(audited, Delivery)
        assert (audited.run.detail, audited.folder) == (run.folder.name, run.folder)
        while len(pool.slots()) == 2:
            pool.wait(0.1)
        pool.submit(order("again", audits=audit))  # without its slot, it is delivered as it was
        assert over(pool) == [Delivery("again", run.run, run.folder, "b/cpu0")]


def test_orders_of_a_bridge_that_dies_are_lost_and_run_again(make: Make) -> None:
    first = 'up("a/cpu0"); say(DevicesKnown(1, 0)); hear(); raise SystemExit'
    second = """
up("a/cpu0")
say(Delivered("a/cpu0", hear().order.key, RUN))
"""
    with closing(make(first, second)) as pool:
        pool.choose()
        pool.submit(order("k"))
        (lost,) = over(pool)
        assert lost == Lost("k", "a/cpu0", "the bridge to Ray died")
        pool.submit(order("k"))
        assert [type(each) for each in over(pool)] == [Delivery]


def test_a_bridge_that_keeps_dying_ends_the_pool(make: Make) -> None:
    said = pytest.raises(ExecutionError, match=r"died 3 times in a row: see ray\.log")
    with closing(make("raise SystemExit")) as pool, said:
        pool.choose()


def test_no_device_for_long_ends_the_pool_with_why(make: Make) -> None:
    life = 'say(SlotUnusable("a/cpu0", "a", "its disk is full")); say(DevicesKnown(1, 0))'
    said = pytest.raises(ExecutionError, match=r"no device .* \(a/cpu0: its disk is full\)")
    with closing(make(life, timeouts=Timeouts(devices=0.2))) as pool, said:
        pool.choose()


def test_without_ray_one_line_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys, runpy; sys.modules['ray'] = None; "
        "runpy.run_module('autoresearch_kit.execution.ray.bridge', run_name='__main__')"
    )
    connect, argv = connect_to("ray", tmp_path), [sys.executable, "-P", "-c", code]
    said = pytest.raises(ExecutionError, match=r"pip install 'autoresearch_kit\[ray\]'")
    with closing(RayPool(connect, tmp_path / "ray.log", argv=argv)) as pool, said:
        pool.choose()
