"""Measure how much compilation a budget excludes. A waiting assembler is a compiler."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from autoresearch_kit.execution.runner.compiling import (
    FREE_SECONDS,
    TRACING_SHARE,
    CompileMeter,
    is_compiler,
)
from autoresearch_kit.machine import cgroups, gpu_nodes
from autoresearch_kit.records import Accelerator, Clock, RunSpec, SandboxLevel
from tests.execution.notebooks import make_spec, notebook

ASSEMBLER = shutil.which("as") or ""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not ASSEMBLER,
    reason="compilation is measured on Linux, with a compiler",
)

LIMIT = 90.0


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    level = SandboxLevel.NONE
    return make_spec(tmp_path, notebook(""), sandbox=level, compile_seconds=LIMIT)


@pytest.fixture
def wall(spec: RunSpec) -> CompileMeter:
    return CompileMeter(spec)


@pytest.fixture
def cpu(spec: RunSpec) -> CompileMeter:
    return CompileMeter(replace(spec, clock=Clock.CPU))


Start = Callable[..., psutil.Popen]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program; by default an assembler that reads its standard input."""
    started: list[psutil.Popen] = []

    def begin(*command: str) -> psutil.Popen:
        command = command or (ASSEMBLER, "-o", os.devnull)
        process = psutil.Popen(command, stdin=subprocess.PIPE)
        started.append(process)
        while process.exe() == sys.executable and command[0] != sys.executable:
            assert process.is_running()
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def look(meter: CompileMeter, processes: Sequence[psutil.Process], now: float) -> None:
    meter.look(processes, now, sum(sum(process.cpu_times()[:2]) for process in processes))


def works(process: psutil.Popen, source: bytes = b"") -> None:
    """Return when it has taken half a second of a core more."""
    begun = sum(process.cpu_times()[:2])
    while sum(process.cpu_times()[:2]) < begun + 0.5:
        process.stdin.write(source)


def test_time_of_a_lone_compiler_is_granted(wall: CompileMeter, start: Start) -> None:
    processes = [start(), start("sleep", "1004")]
    for now in (100.0, 110.0, 115.0):
        look(wall, processes, now)
    assert wall.granted == FREE_SECONDS + 15.0


def test_no_more_than_the_limit_is_granted(wall: CompileMeter, start: Start) -> None:
    processes = [start()]
    for now in (100.0, 1000.0):
        look(wall, processes, now)
    assert wall.granted == LIMIT


def test_nothing_more_is_granted_without_a_compiler(wall: CompileMeter, start: Start) -> None:
    for now in (100.0, 110.0):
        look(wall, [start("sleep", "1004")], now)
    assert wall.granted == FREE_SECONDS


def test_training_beside_a_compiler_counts(wall: CompileMeter, start: Start) -> None:
    busy = start(sys.executable, "-c", "while True: pass")
    processes = [start(), busy]
    look(wall, processes, 100.0)
    works(busy)
    look(wall, processes, 101.0)
    assert wall.granted == FREE_SECONDS


def test_a_waiting_compiler_buys_nothing_by_the_cpu_clock(cpu: CompileMeter, start: Start) -> None:
    for now in (100.0, 200.0):
        look(cpu, [start()], now)
    assert cpu.granted == pytest.approx(FREE_SECONDS, abs=0.2)


def test_tracing_is_granted_for_the_work_of_compilers(
    wall: CompileMeter, cpu: CompileMeter, start: Start
) -> None:
    compiler = start()
    works(compiler, b"nop\n" * 10_000)
    for meter, threads, share in ((wall, 1, 0.0), (cpu, cgroups.cores(), 1.0)):
        look(meter, [compiler], 100.0)
        least = sum(compiler.cpu_times()[:2]) / threads * (TRACING_SHARE + share)
        assert meter.granted == pytest.approx(FREE_SECONDS + least, rel=0.05)


def test_a_gpu_run_is_believed_up_to_the_limit(spec: RunSpec) -> None:
    gpu = Accelerator("cuda", (9, 0), 85_000)
    assert CompileMeter(replace(spec, gpu=gpu)).granted == LIMIT


def test_a_screens_graphics_are_no_gpu_to_believe(
    spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dev" / "dri").mkdir(parents=True)
    (tmp_path / "dev" / "dri" / "renderD128").touch()
    monkeypatch.setattr(gpu_nodes, "DEV", tmp_path / "dev")
    assert CompileMeter(spec).granted == FREE_SECONDS


def test_a_compilers_name_makes_no_compiler(tmp_path: Path, start: Start) -> None:
    assert is_compiler(start())
    shutil.copy(ASSEMBLER, tmp_path / "as")
    assert not is_compiler(start(str(tmp_path / "as"), "-o", os.devnull))


def test_a_compilers_child_is_no_compiler(
    cpu: CompileMeter, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python started by a compiler, as `gcc -wrapper python,train.py` does."""
    wrapper, burnt = tmp_path / "train", tmp_path / "burnt"
    burn = "import time\nwhile time.process_time() < 1: pass"
    wrapper.write_text(f"#!{sys.executable}\n{burn}\nopen({str(burnt)!r}, 'w')\n")
    wrapper.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    compiler = start("gcc", "-pipe", "-wrapper", str(wrapper), "-x", "c", "-c", os.devnull)
    now = 100.0
    while not burnt.exists() and compiler.is_running():
        now += 1.0
        look(cpu, [compiler, *compiler.children(recursive=True)], now)
    look(cpu, [compiler], now + 1.0)
    assert cpu.granted == pytest.approx(FREE_SECONDS, abs=0.2)


def test_the_notebook_is_told(wall: CompileMeter, tmp_path: Path, start: Start) -> None:
    (file,) = tmp_path.rglob("compile_seconds")
    assert float(file.read_text()) == FREE_SECONDS
    for now in (100.0, 110.0):
        look(wall, [start()], now)
    assert float(file.read_text()) == FREE_SECONDS + 10.0
