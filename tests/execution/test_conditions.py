"""Tell from counters, and from a GPU's samples, what else the machine did."""

from collections.abc import Mapping

import pytest

from autoresearch_kit.execution.runner.conditions import (
    Counters,
    Observer,
    busiest,
    elsewhere,
    gpu_conditions,
)
from autoresearch_kit.machine.gpu import GpuLook

NAMES = {"stress": 50.0, "chrome": 10.0}
BEGIN = Counters(at=100.0, cores=2, stolen=1.0, others=60.0, names=NAMES)


def ended(others: float = 0.0, stolen: float = 0.0, names: Mapping[str, float] = {}) -> Counters:
    """Return the counters ten seconds later, with so much more of each."""
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


@pytest.mark.parametrize(
    ("names", "stolen", "words"),
    [
        ({"stress": 8.0, "chrome": 3.0}, 0.0, "stress (0.8 cores), chrome (0.3 cores)"),
        ({}, 6.0, "this machine's host (0.6 cores)"),
        ({"stress": 0.4}, 0.0, ""),
        ({"new": 5.0}, 0.0, "new (0.5 cores)"),
    ],
    ids=["two", "the host", "idle", "new"],
)
def test_the_busiest_are_named(names: Mapping[str, float], stolen: float, words: str) -> None:
    assert busiest(BEGIN, ended(stolen=stolen, names=names)) == words


OWN = {40, 41}
"""Processes of the run."""


def sample(computing: Mapping[int, int], uuid: str = "GPU-0", **state: int) -> GpuLook:
    state = {"clock_mhz": 1700, "temperature_c": 60, "slowed": False} | state
    return GpuLook(
        uuid=uuid,
        name="NVIDIA H100",
        max_clock_mhz=1980,
        computing=computing,
        clock_mhz=state["clock_mhz"],
        temperature_c=state["temperature_c"],
        slowed=bool(state["slowed"]),
    )


def test_a_recorded_run_on_a_gpu() -> None:
    recorded = [
        sample({40: 20}, clock_mhz=345, temperature_c=41),
        sample({40: 97}, clock_mhz=1980, temperature_c=63),
        sample({40: 98, 700: 30}, clock_mhz=1755, temperature_c=84, slowed=True),
        sample({40: 96, 700: 40}, clock_mhz=1740, temperature_c=83, slowed=True),
    ]
    (gpu,) = gpu_conditions(recorded, OWN)
    assert (gpu.name, gpu.clock_mhz, gpu.max_clock_mhz) == ("NVIDIA H100", 1455, 1980)
    assert (gpu.temperature_c, gpu.throttled, gpu.others) == (84, 0.5, 1)


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
    (gpu,) = gpu_conditions([sample(computing), sample(computing)], OWN)
    assert gpu.others == others


def test_an_unused_gpu_is_left_out() -> None:
    both = (sample({40: 97}, uuid="GPU-0"), sample({700: 99}, uuid="GPU-1"))
    (gpu,) = gpu_conditions(both, OWN)
    assert gpu.others == 0


def test_an_observer_looks_from_begin_to_end() -> None:
    script = iter([sample({}), sample({}, temperature_c=70), sample({})])
    observer = Observer(look_at_gpus=lambda: (next(script),))
    assert observer.end() is None  # nobody has looked yet
    observer.look()
    observer.look()
    conditions = observer.end()
    assert conditions is not None
    assert [gpu.temperature_c for gpu in conditions.gpus] == [70]
    assert 0 <= conditions.elsewhere <= 1
