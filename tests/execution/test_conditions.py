"""What else the machine did: told from counters, and from a GPU's samples."""

from collections.abc import Mapping

import pytest

from autoresearch_kit.execution.runner.conditions import (
    Counters,
    GpuLooks,
    Observer,
    busiest,
    elsewhere,
    gpu_conditions,
)
from autoresearch_kit.machine.gpu import GpuLook

NAMES = {"stress": 50.0, "chrome": 10.0}
BEGIN = Counters(at=100.0, cores=2, stolen=1.0, others=60.0, names=NAMES)


def ended(others: float = 0.0, stolen: float = 0.0, names: Mapping[str, float] = {}) -> Counters:
    """Ten seconds later, with so much more of each."""
    grown = {name: NAMES.get(name, 0.0) + names.get(name, 0.0) for name in {*NAMES, *names}}
    return Counters(110.0, 2, 1.0 + stolen, 60.0 + others, grown)


@pytest.mark.parametrize(
    ("others", "stolen", "share"),
    [(0.0, 0.0, 0.0), (10.0, 0.0, 0.5), (5.0, 5.0, 0.5), (20.5, 0.0, 1.0), (-0.2, 0.0, 0.0)],
    ids=["nothing", "a core of two", "a core with the host", "ticks above", "ticks below"],
)
def test_time_of_others_and_the_host_is_elsewhere(
    others: float, stolen: float, share: float
) -> None:
    assert elsewhere(BEGIN, ended(others, stolen)) == pytest.approx(share)


def test_the_busiest_are_named() -> None:
    end = ended(names={"stress": 8.0, "chrome": 3.0})
    assert busiest(BEGIN, end) == "stress (0.8 cores), chrome (0.3 cores)"


def test_the_host_is_one_of_them() -> None:
    assert busiest(BEGIN, ended(stolen=6.0)) == "this machine's host (0.6 cores)"


def test_idle_processes_are_not_named() -> None:
    assert busiest(BEGIN, ended(names={"stress": 0.4})) == ""


def test_a_new_process_counts_from_its_start() -> None:
    assert busiest(BEGIN, ended(names={"new": 5.0})) == "new (0.5 cores)"


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


def test_an_unused_gpu_is_left_out() -> None:
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


def test_without_a_look_there_are_no_conditions() -> None:
    assert Observer().end() is None
