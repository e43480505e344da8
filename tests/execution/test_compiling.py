"""How much compilation a budget excludes. An assembler that waits for its source counts as one."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
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
from autoresearch_kit.records import Accelerator, Clock, SandboxLevel
from tests.execution.notebooks import make_spec, notebook

Started = list[psutil.Popen]

ASSEMBLER = shutil.which("as") or ""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not ASSEMBLER,
    reason="compilation is measured on Linux, with a compiler",
)


@pytest.fixture
def meter(tmp_path: Path) -> CompileMeter:
    level = SandboxLevel.NONE
    return CompileMeter(make_spec(tmp_path, notebook(""), sandbox=level, compile_seconds=90.0))


@pytest.fixture
def started() -> Iterator[Started]:
    processes: Started = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(started: Started, *command: str) -> psutil.Process:
    process = psutil.Popen(command, stdin=subprocess.PIPE)
    started.append(process)
    while process.exe() == sys.executable and command[0] != sys.executable:
        assert process.is_running()
    return psutil.Process(process.pid)


def assemble(started: Started, program: str = ASSEMBLER) -> psutil.Process:
    """An assembler without a source, which would leave an empty a.out in the current folder."""
    return start(started, program, "-o", os.devnull)


def test_time_of_a_lone_compiler_is_granted(meter: CompileMeter, started: Started) -> None:
    processes = [assemble(started), start(started, "sleep", "1004")]
    for now in (100.0, 110.0, 115.0):
        meter.look(processes, now)
    assert meter.granted == FREE_SECONDS + 15.0


def test_a_screens_graphics_are_no_gpu_to_believe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dev" / "dri").mkdir(parents=True)
    (tmp_path / "dev" / "dri" / "renderD128").touch()
    monkeypatch.setattr(gpu_nodes, "DEV", tmp_path / "dev")
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.NONE, compile_seconds=90.0)
    assert CompileMeter(spec).granted == FREE_SECONDS


def test_a_gpu_run_is_believed_up_to_the_limit(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.NONE, compile_seconds=90.0)
    gpu = Accelerator("cuda", (9, 0), 85_000)
    assert CompileMeter(replace(spec, gpu=gpu)).granted == 90.0


def test_no_more_than_the_limit_is_granted(meter: CompileMeter, started: Started) -> None:
    processes = [assemble(started)]
    for now in (100.0, 1000.0):
        meter.look(processes, now)
    assert meter.granted == 90.0


def test_nothing_more_is_granted_without_a_compiler(meter: CompileMeter, started: Started) -> None:
    for now in (100.0, 110.0):
        meter.look([start(started, "sleep", "1004")], now)
    assert meter.granted == FREE_SECONDS


def test_training_beside_a_compiler_counts(meter: CompileMeter, started: Started) -> None:
    busy = start(started, sys.executable, "-c", "while True: pass")
    processes = [assemble(started), busy]
    begun = sum(busy.cpu_times()[:2])
    meter.look(processes, 100.0)
    while sum(busy.cpu_times()[:2]) < begun + 0.5:
        time.sleep(0.01)
    meter.look(processes, 101.0)
    assert meter.granted == FREE_SECONDS


def test_a_compilers_name_makes_no_compiler(tmp_path: Path, started: Started) -> None:
    assert is_compiler(assemble(started))
    shutil.copy(ASSEMBLER, tmp_path / "as")
    assert not is_compiler(assemble(started, str(tmp_path / "as")))


@pytest.fixture
def working(started: Started) -> psutil.Process:
    """An assembler that has worked for half a second."""
    assembler = assemble(started)
    stdin = started[-1].stdin
    assert stdin is not None
    while sum(assembler.cpu_times()[:2]) < 0.5:
        stdin.write(b"nop\n" * 10_000)
    return assembler


@pytest.mark.parametrize(("clock", "threads"), [(Clock.WALL, 1), (Clock.CPU, cgroups.cores())])
def test_tracing_is_granted_for_the_work_of_compilers(
    clock: Clock, threads: int, tmp_path: Path, working: psutil.Process
) -> None:
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.NONE, clock=clock)
    meter = CompileMeter(spec)
    meter.look([working], 100.0)
    compiled = sum(working.cpu_times()[:2])
    least = compiled / threads * (TRACING_SHARE + (clock is Clock.CPU))
    assert meter.granted == pytest.approx(FREE_SECONDS + least, rel=0.05)


def test_a_waiting_compiler_buys_nothing_by_the_cpu_clock(tmp_path: Path, started: Started) -> None:
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.NONE, clock=Clock.CPU)
    meter = CompileMeter(spec)
    for now in (100.0, 200.0):
        meter.look([assemble(started)], now)
    assert meter.granted == pytest.approx(FREE_SECONDS, abs=0.2)


def test_a_compilers_child_is_no_compiler(tmp_path: Path, started: Started) -> None:
    """As by `gcc -wrapper python,train.py`."""
    wrapper = tmp_path / "train"
    burn = "import time\nwhile time.process_time() < 1: pass\nopen('trained', 'w')"
    wrapper.write_text(f"#!{sys.executable}\n{burn}\n")
    wrapper.chmod(0o755)
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.NONE, clock=Clock.CPU)
    meter = CompileMeter(spec)
    compiler = psutil.Popen(
        ["gcc", "-pipe", "-wrapper", str(wrapper), "-x", "c", "-c", os.devnull],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
    )
    started.append(compiler)
    now = 100.0
    while not (tmp_path / "trained").exists() and compiler.is_running():
        now += 1.0
        meter.look([compiler, *compiler.children(recursive=True)], now)
    meter.look([compiler], now + 1.0)
    assert meter.granted == pytest.approx(FREE_SECONDS, abs=0.2)


def test_the_notebook_is_told(meter: CompileMeter, tmp_path: Path, started: Started) -> None:
    (file,) = tmp_path.rglob("compile_seconds")
    assert float(file.read_text()) == FREE_SECONDS
    for now in (100.0, 110.0):
        meter.look([assemble(started)], now)
    assert float(file.read_text()) == FREE_SECONDS + 10.0
