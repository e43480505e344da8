"""The training budget: as a notebook counts it, and as its runner measures it."""

import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.execution.runner.clock import (
    LEAST_SHARE,
    PATIENCE,
    READ_SECONDS,
    BudgetClock,
    ClockReading,
    NotebookClock,
    RunClock,
)
from autoresearch_kit.execution.runner.compiling import FREE_SECONDS, CompileMeter
from autoresearch_kit.execution.runner.cpu_time import CpuReader
from autoresearch_kit.machine import cgroups
from autoresearch_kit.records import Clock, SandboxLevel
from autoresearch_kit.records.codec import decode, encode
from tests.execution.notebooks import make_spec, notebook


class Time:
    """A time that moves when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def clock_after(
    laps: list[float], *, allowance: float = 1000.0, before: float = 0.0
) -> BudgetClock:
    time = Time()
    clock = BudgetClock(lambda: allowance, now=time)
    time.now += before
    clock.start_steps()
    for lap in laps:
        time.now += lap
        clock.lap()
    return clock


@pytest.mark.parametrize(
    ("laps", "allowance", "before", "seconds"),
    [
        ([1.3, 0.9, 1.0, 1.2, 0.8, 1.1, *[1.0] * 5], 1000.0, 0.0, 11.3),
        ([30.0, 12.0, *[1.0] * 20], 1000.0, 0.0, 22.0),
        ([30.0, *[1.0] * 20], 10.0, 0.0, 40.0),
        ([70.0], 1000.0, 5.0, 5.0),
        ([*[1.0] * 10, 30.0], 1000.0, 0.0, 40.0),
    ],
    ids=["nothing compiles", "two compile", "up to the allowance", "the first", "a later one"],
)
def test_first_steps_that_compile_count_as_typical_ones(
    laps: list[float], allowance: float, before: float, seconds: float
) -> None:
    clock = clock_after(laps, allowance=allowance, before=before)
    assert clock.seconds == pytest.approx(seconds)


def test_seconds_that_the_kit_spent_are_excluded() -> None:
    clock = clock_after([], before=5.0)
    clock.exclude(2.0)
    assert clock.seconds == pytest.approx(3.0)


def test_a_typical_step_is_known_after_a_few() -> None:
    assert clock_after([30.0, 1.0]).step_seconds == 0.0
    assert clock_after([30.0, *[1.0] * 10]).step_seconds == pytest.approx(1.0)


def test_the_clock_in_a_notebook_adds_own_time_and_never_goes_back(tmp_path: Path) -> None:
    file, time, cpu = tmp_path / "clock", Time(), Time()
    file.write_bytes(encode(ClockReading(threads=2, seconds=50.0, kernel=95.0)))
    clock = NotebookClock(file, now=time, cpu=cpu)
    assert clock() == 52.5
    file.write_bytes(encode(ClockReading(threads=2, seconds=80.0, kernel=cpu.now)))
    assert clock() == 52.5  # the file was read a moment ago
    for told, read in ((60.0, 60.0), (55.0, 60.0)):
        file.write_bytes(encode(ClockReading(threads=2, seconds=told, kernel=cpu.now)))
        time.now += READ_SECONDS
        assert clock() == read


class Counted(CpuReader):
    """Says that a run took so many CPU seconds, and others so many."""

    run_seconds = 40.0
    elsewhere = 70.0


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture(params=[Clock.CPU])
def clock(request: pytest.FixtureRequest, tmp_path: Path, counted: Counted) -> RunClock:
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.NONE, clock=request.param)
    return RunClock(spec, counted, CompileMeter(spec))


def test_cpu_time_counts_from_the_beginning_of_training(clock: RunClock, counted: Counted) -> None:
    assert clock.seconds(90.0) == 0.0
    clock.begin(100.0)
    counted.run_seconds += 30.0
    assert clock.seconds(101.0) == pytest.approx(30.0 / cgroups.cores())


def test_idle_cores_count_where_nobody_uses_them(clock: RunClock, counted: Counted) -> None:
    clock.begin(100.0)
    counted.at = 140.0 + FREE_SECONDS
    assert clock.seconds(150.0) == pytest.approx(LEAST_SHARE * 40.0)


def test_cores_that_others_use_do_not_count(clock: RunClock, counted: Counted) -> None:
    clock.begin(100.0)
    counted.at = 150.0
    counted.elsewhere += 50.0 * cgroups.cpus()
    assert clock.seconds(150.0) == pytest.approx(50.0 / PATIENCE)


@pytest.mark.parametrize("clock", [Clock.WALL], indirect=True)
def test_the_wall_clock_ignores_cpu_time(clock: RunClock, counted: Counted) -> None:
    clock.begin(100.0)
    counted.run_seconds += 30.0
    assert clock.seconds(140.0) == 40.0


def test_the_notebook_is_told_once_its_kernel_is_known(
    clock: RunClock, counted: Counted, tmp_path: Path
) -> None:
    """Before, the time of a waiting kernel would count twice: its notebook adds its own time."""
    (file,) = tmp_path.rglob("clock.json")
    clock.write(101.0)
    assert decode(ClockReading, file.read_bytes()).seconds == 0.0
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE):
        clock.find_kernel()
        clock.begin(100.0)
        counted.run_seconds += 30.0
        clock.write(101.0)
    assert decode(ClockReading, file.read_bytes()).seconds == pytest.approx(70.0 / cgroups.cores())
