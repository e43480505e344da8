"""What else the machine did: told from counters, from a GPU's samples, and of real processes."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

from autoresearch_kit.execution.conditions import (
    Counters,
    GpuLooks,
    Observer,
    busiest,
    count,
    elsewhere,
    gpu_conditions,
)
from autoresearch_kit.gpu import GpuLook

OTHERS = {(7, 1.0): ("stress", 50.0), (8, 1.0): ("chrome", 5.0), (9, 1.0): ("chrome", 5.0)}
BEGIN = Counters(at=100.0, cores=2, busy=500.0, stolen=1.0, own=30.0, others=OTHERS)

BURN = """
import sys, time
while time.process_time() < 0.5:
    pass
print(flush=True)
sys.stdin.read()
"""
"""Half a second of a core's time; then it says so, and stays until its stdin ends."""

ORPHAN = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, '-c', {BURN!r}])
"""


def ended(
    busy: float = 0.0, own: float = 0.0, stolen: float = 0.0, others: Mapping[int, float] = {}
) -> Counters:
    """Ten seconds later, with so much more of each."""
    grown = {key: (name, total + others.get(key[0], 0.0)) for key, (name, total) in OTHERS.items()}
    return Counters(110.0, 2, 500.0 + busy, 1.0 + stolen, 30.0 + own, grown)


@pytest.mark.parametrize(
    ("busy", "own", "share"),
    [
        (0.0, 0.0, 0.0),
        (18.0, 18.0, 0.0),
        (20.0, 10.0, 0.5),
        (20.0, 0.0, 1.0),
        (10.0, 10.2, 0.0),
        (20.5, 0.0, 1.0),
    ],
    ids=["idle", "all ours", "a core each", "all theirs", "ticks below", "ticks above"],
)
def test_what_is_not_the_run_s_is_elsewhere(busy: float, own: float, share: float) -> None:
    assert elsewhere(BEGIN, ended(busy, own)) == pytest.approx(share)


def test_the_busiest_are_named_and_processes_of_one_name_added_up() -> None:
    end = ended(others={7: 8.0, 8: 1.0, 9: 2.0})
    assert busiest(BEGIN, end) == "stress (0.8 cores), chrome (0.3 cores)"


def test_the_host_is_one_of_them() -> None:
    assert busiest(BEGIN, ended(stolen=6.0)) == "this machine's host (0.6 cores)"


def test_whoever_takes_next_to_nothing_is_not_named() -> None:
    assert busiest(BEGIN, ended(others={7: 0.4})) == ""


def test_one_that_began_meanwhile_counts_from_its_beginning() -> None:
    begin = Counters(100.0, 2, 500.0, 1.0, 30.0, {})
    assert busiest(begin, ended()).startswith("stress (5.0 cores)")


def test_a_process_can_t_write_on_the_terminal_by_its_name() -> None:
    end = Counters(110.0, 2, 500.0, 1.0, 30.0, {(5, 1.0): ("a\x1b[2J\nb" + "c" * 99, 9.0)})
    assert busiest(BEGIN, end) == "a [2J bcccccccccccc… (0.9 cores)"


def test_dead_descendants_are_the_run_s() -> None:
    begin = count()
    grandchild = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"
    subprocess.run([sys.executable, "-c", grandchild], stdin=subprocess.DEVNULL, check=True)
    assert count().own - begin.own >= 0.45


def test_a_process_that_is_not_a_descendant_is_another() -> None:
    begin = count()
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdin=pipe, stdout=pipe) as parent:
        assert parent.stdout is not None
        parent.wait()
        assert parent.stdout.readline() == b"\n"
        end = count()
    new = [spent for key, (_, spent) in end.others.items() if key not in begin.others]
    assert max(new) >= 0.45


def sample(
    computing: Mapping[int, int],
    *,
    uuid: str = "GPU-0",
    clock: int = 1700,
    heat: int = 60,
    slowed: bool = False,
) -> GpuLook:
    return GpuLook(uuid, "NVIDIA H100", clock, 1980, heat, slowed, computing)


def looks(*gpus: GpuLook, own: int = 40) -> list[GpuLooks]:
    return [GpuLooks((gpu,), frozenset({own, 41})) for gpu in gpus]


def test_a_recorded_run_on_a_gpu() -> None:
    recorded = [
        sample({40: 20}, clock=345, heat=41),
        sample({40: 97}, clock=1980, heat=63),
        sample({40: 98, 700: 30}, clock=1755, heat=84, slowed=True),
        sample({40: 96, 700: 40}, clock=1740, heat=83, slowed=True),
    ]
    (found,) = gpu_conditions(looks(*recorded))
    assert (found.name, found.clock_mhz, found.max_clock_mhz) == ("NVIDIA H100", 1455, 1980)
    assert (found.temperature_c, found.throttled, found.others) == (84, 0.5, 1)


@pytest.mark.parametrize(
    ("computing", "others"),
    [
        ({40: 97}, 0),
        ({40: 90, 41: 7}, 0),
        ({40: 95, 700: 2}, 0),
        ({40: 50, 700: 20, 701: 20}, 2),
        ({9001: 97}, 0),
        ({9001: 60, 9002: 30}, 1),
        ({}, 0),
    ],
    ids=["alone", "two of ours", "a desktop", "two others", "in a container", "not alone", "mute"],
)
def test_who_else_computes(computing: Mapping[int, int], others: int) -> None:
    (found,) = gpu_conditions(looks(sample(computing), sample(computing)))
    assert found.others == others


def test_a_gpu_that_the_run_does_not_use_is_left_out() -> None:
    both = (sample({40: 97}, uuid="GPU-0"), sample({700: 99}, uuid="GPU-1"))
    (found,) = gpu_conditions([GpuLooks(both, frozenset({40}))])
    assert found.others == 0


def test_a_machine_without_gpus_has_none() -> None:
    observer = Observer(look_at_gpus=lambda: ())
    observer.look()
    found = observer.end()
    assert found is not None
    assert found.gpus == ()
    assert 0 <= found.elsewhere <= 1


def test_gpus_are_looked_at_from_begin_to_end() -> None:
    script = iter([sample({}, heat=50), sample({}, heat=70), sample({}, heat=60)])
    observer = Observer(look_at_gpus=lambda: (next(script),))
    observer.look()
    observer.look()
    found = observer.end()
    assert found is not None
    assert [gpu.temperature_c for gpu in found.gpus] == [70]


def test_what_never_began_has_no_conditions() -> None:
    assert Observer().end() is None
