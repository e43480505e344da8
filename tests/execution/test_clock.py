import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.execution.runner.clock import (
    LEAST_SHARE,
    PATIENCE,
    READ_SECONDS,
    BudgetClock,
    Followed,
    RunClock,
    Told,
    ToldClock,
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


@pytest.fixture
def time() -> Time:
    return Time()


def clock_after(laps: list[float], *, allowance: float = 1000.0) -> BudgetClock:
    time = Time()
    clock = BudgetClock(lambda: allowance, now=time)
    clock.start_steps()
    for lap in laps:
        time.now += lap
        clock.lap()
    return clock


@pytest.mark.parametrize(
    ("laps", "allowance", "seconds"),
    [
        ([1.3, 0.9, 1.0, 1.2, 0.8, 1.1, *[1.0] * 5], 1000.0, 11.3),
        ([30.0, 12.0, *[1.0] * 20], 1000.0, 22.0),
        ([30.0, *[1.0] * 20], 10.0, 40.0),
        ([70.0], 1000.0, 0.0),
        ([*[1.0] * 10, 30.0], 1000.0, 40.0),
    ],
    ids=["nothing compiles", "two compile", "up to the allowance", "the first", "a later one"],
)
def test_first_steps_that_compile_count_as_typical_ones(
    laps: list[float], allowance: float, seconds: float
) -> None:
    assert clock_after(laps, allowance=allowance).seconds == pytest.approx(seconds)


def test_seconds_before_the_loop_count(time: Time) -> None:
    clock = BudgetClock(lambda: 1000.0, now=time)
    time.now += 5.0
    clock.start_steps()
    time.now += 30.0
    assert clock.seconds == pytest.approx(5.0)


def test_seconds_that_the_kit_spent_are_excluded(time: Time) -> None:
    clock = BudgetClock(lambda: 1000.0, now=time)
    time.now += 5.0
    clock.exclude(2.0)
    assert clock.seconds == pytest.approx(3.0)


def test_a_typical_step_is_known_after_a_few() -> None:
    assert clock_after([30.0, 1.0]).step_seconds == 0.0
    assert clock_after([30.0, *[1.0] * 10]).step_seconds == pytest.approx(1.0)


def test_a_followed_file_is_read_again_after_a_while(tmp_path: Path, time: Time) -> None:
    file = tmp_path / "granted"
    file.write_text("3.0")
    granted = Followed(file, float, time)
    file.write_text("13.0")
    assert granted() == 3.0
    time.now += READ_SECONDS
    assert granted() == 13.0


def test_the_told_clock_adds_the_processs_own_time(tmp_path: Path, time: Time) -> None:
    file, cpu = tmp_path / "clock", Time()
    file.write_bytes(encode(Told(threads=2, seconds=50.0, kernel=95.0)))
    clock = ToldClock(file, now=time, cpu=cpu)
    assert clock() == 52.5
    cpu.now += 3.0
    assert clock() == 54.0


def test_the_told_clock_never_goes_back(tmp_path: Path, time: Time) -> None:
    file, cpu = tmp_path / "clock", Time()
    file.write_bytes(encode(Told(threads=2)))
    clock, read = ToldClock(file, now=time, cpu=cpu), []
    for seconds in (50.0, 60.0, 55.0):
        file.write_bytes(encode(Told(threads=2, seconds=seconds, kernel=cpu.now)))
        time.now += READ_SECONDS
        read.append(clock())
    assert read == [50.0, 60.0, 60.0]


class Counted(CpuReader):
    """Says that a run took so many CPU seconds, and others so many."""

    run_seconds = 40.0
    elsewhere = 70.0


@pytest.fixture
def counted() -> Counted:
    return Counted()


def run_clock(folder: Path, counted: Counted, clock: Clock) -> RunClock:
    spec = make_spec(folder, notebook(""), sandbox=SandboxLevel.NONE, clock=clock)
    return RunClock(spec, counted, CompileMeter(spec))


def test_cpu_time_counts_from_the_beginning_of_training(tmp_path: Path, counted: Counted) -> None:
    clock = run_clock(tmp_path, counted, Clock.CPU)
    assert clock.seconds(90.0) == 0.0
    clock.begin(100.0)
    counted.run_seconds += 30.0
    assert clock.seconds(101.0) == pytest.approx(30.0 / cgroups.cores())


def test_idle_cores_count_where_nobody_uses_them(tmp_path: Path, counted: Counted) -> None:
    clock = run_clock(tmp_path, counted, Clock.CPU)
    clock.begin(100.0)
    counted.at = 140.0 + FREE_SECONDS
    assert clock.seconds(150.0) == pytest.approx(LEAST_SHARE * 40.0)


def test_cores_that_others_use_do_not_count(tmp_path: Path, counted: Counted) -> None:
    clock = run_clock(tmp_path, counted, Clock.CPU)
    clock.begin(100.0)
    counted.at = 150.0
    counted.elsewhere += 50.0 * cgroups.cpus()
    assert clock.seconds(150.0) == pytest.approx(50.0 / PATIENCE)


def test_the_wall_clock_ignores_cpu_time(tmp_path: Path, counted: Counted) -> None:
    clock = run_clock(tmp_path, counted, Clock.WALL)
    clock.begin(100.0)
    counted.run_seconds += 30.0
    assert clock.seconds(140.0) == 40.0


def told_to(folder: Path) -> float:
    (file,) = folder.rglob("clock.json")
    return decode(Told, file.read_bytes()).seconds


def test_the_notebook_is_told_all_its_processes_time(tmp_path: Path, counted: Counted) -> None:
    clock = run_clock(tmp_path, counted, Clock.CPU)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE):
        clock.find_kernel()
        clock.begin(100.0)
        counted.run_seconds += 30.0
        clock.tell(101.0)
    assert told_to(tmp_path) == pytest.approx(70.0 / cgroups.cores())


def test_a_waiting_kernels_time_does_not_count_twice(tmp_path: Path, counted: Counted) -> None:
    """Its notebook adds its own CPU time to what it is told."""
    clock = run_clock(tmp_path, counted, Clock.CPU)
    clock.tell(101.0)
    assert told_to(tmp_path) == 0.0
