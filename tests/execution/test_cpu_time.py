"""CPU seconds of processes: added up from looks, and read of real ones."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import psutil
import pytest

from autoresearch_kit.execution.runner import cpu_time
from autoresearch_kit.execution.runner.cpu_time import CoreTimes, CpuReader, ProcessTime, Tally
from autoresearch_kit.machine import cgroups
from autoresearch_kit.machine.cgroups import Usage

SHELL = ProcessTime(pid=10, born=1.0, parent=1, name="shell", seconds=1.0, reaped=0.0)
CHILD = ProcessTime(pid=11, born=2.0, parent=10, name="burn", seconds=5.0, reaped=0.0)

BURN = "import time\nwhile time.process_time() < 0.5: pass"
"""Takes half a second of a core's time."""

UNCOUNTED = (
    "import signal, subprocess\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    f"for _ in range(4):\n    subprocess.run([sys.executable, '-c', {BURN!r}])"
)

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is told of the dead")


def waited(seconds: float) -> ProcessTime:
    return replace(SHELL, reaped=seconds)


@pytest.mark.parametrize(
    ("looks", "seconds"),
    [
        ([(SHELL, replace(CHILD, seconds=7.0))], 2.0),
        ([(waited(6.0),)], 1.0),
        ([(waited(6.0),), (waited(8.0),)], 3.0),
        ([(SHELL,)], 0.0),
        ([(SHELL,), (SHELL,)], 0.0),
        ([(SHELL,), (waited(5.0),)], 0.0),
        ([(), (waited(0.0),)], 1.0),
    ],
    ids=[
        "it goes on",
        "it died and was waited for",
        "and another, never seen, as well",
        "nobody waited for it",
        "nor did anybody later",
        "it was waited for after the look",
        "both are gone, and a shell begins",
    ],
)
def test_a_process_counts_once_whoever_waits_for_it(
    looks: list[tuple[ProcessTime, ...]], seconds: float
) -> None:
    tally = Tally()
    tally.look((SHELL, CHILD))
    before = tally.total
    for look in looks:
        tally.look(look)
    assert tally.total - before == pytest.approx(seconds)


def test_the_dead_keep_their_names() -> None:
    tally = Tally()
    for look in ((SHELL, CHILD), (waited(6.0),)):
        tally.look(look)
    assert tally.by_name == {"shell": 1.0, "burn": 5.0}


Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program, and returns when it has ended its work."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(program: str) -> subprocess.Popen[bytes]:
        code = f"import sys, subprocess\n{program}\nprint(flush=True)\nsys.stdin.read()"
        argv, pipe = [sys.executable, "-c", code], subprocess.PIPE
        started.append(subprocess.Popen(argv, stdin=pipe, stdout=pipe))
        assert started[-1].stdout is not None
        started[-1].stdout.readline()
        return started[-1]

    yield begin
    for process in started:
        process.communicate()


def around(reader: CpuReader) -> float:
    reader.look_around()
    return reader.run_seconds


@LINUX
def test_children_of_a_descendant_are_the_runs(start: Start) -> None:
    reader = CpuReader(usage=lambda: None)
    begun = around(reader)
    start(f"subprocess.run([sys.executable, '-c', {BURN!r}])")
    assert around(reader) - begun >= 0.45


@LINUX
def test_unaccounted_time_is_the_runs() -> None:
    """Such as of children that are gone before anybody looks, and that nobody waited for."""
    taken = iter((100.0, 102.0))
    reader = CpuReader(usage=lambda: Usage(next(taken), frozenset()))
    begun = around(reader)
    assert around(reader) - begun == pytest.approx(2.0, abs=0.3)


@LINUX
def test_a_cgroup_of_its_own_counts_a_run_exactly(start: Start) -> None:
    cgroup = cgroups.below(f"autoresearch-test-{os.getpid()}")
    if cgroup is None or not cgroups.make(cgroup):
        pytest.skip("no cgroup can be made here")
    reader = CpuReader(usage=lambda: None)
    reader.count_by(cgroup)
    enter = f"import os\nopen({str(cgroup / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
    process = start(f"{enter}\n{UNCOUNTED}")
    assert cgroups.has(cgroup, process.pid)
    assert around(reader) >= 1.8
    assert reader.unseen >= 1.0
    process.communicate()
    cgroups.remove(cgroup)


def test_a_process_that_is_no_descendant_is_another(start: Start) -> None:
    reader = CpuReader(usage=lambda: None)
    begun, before = around(reader), reader.others.total
    orphan = f"{BURN}\nimport sys\nprint(flush=True)\nsys.stdin.read()"
    parent = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {orphan!r}])"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", parent], stdin=pipe, stdout=pipe) as orphaned:
        assert orphaned.stdout is not None
        orphaned.wait()
        orphaned.stdout.readline()
        assert around(reader) - begun < 0.4
        assert reader.others.total - before >= 0.45


@LINUX
@pytest.mark.parametrize(("away", "beside"), [(0, True), (1000, False)])
def test_who_is_pinned_to_other_cores_is_not_beside(away: int, beside: bool, start: Start) -> None:
    core = min(os.sched_getaffinity(0))
    name = "open('/proc/self/comm', 'w').write('neighbour')"
    start(f"import os\n{name}\nos.sched_setaffinity(0, [{core}])")
    reader = CpuReader(usage=lambda: None, cores=[core + away])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_time, "_descendants", lambda *_: frozenset())  # nothing is the run's
        reader.look_around()
    assert ("neighbour" in reader.others.by_name) == beside


@LINUX
@pytest.mark.parametrize(("busy", "taken"), [(3.0, 2.0), (9.0, 6.0), (0.5, 0.0)])
def test_others_count_as_far_as_pinned_cores_were_busy(
    busy: float, taken: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let others take six seconds somewhere, and the run one on its cores."""
    core = min(os.sched_getaffinity(0))
    run = replace(SHELL, pid=os.getpid() + 1, parent=os.getpid())
    me = replace(SHELL, pid=os.getpid(), seconds=0.0)
    other = replace(SHELL, pid=1, parent=0)
    at = {"busy": 100.0, "run": 0.0, "others": 20.0}

    def read(processes: Iterable[psutil.Process]) -> list[ProcessTime]:
        if isinstance(processes, list):
            return [me]
        return [me, replace(run, seconds=at["run"]), replace(other, seconds=at["others"])]

    monkeypatch.setattr(cpu_time, "read_all", read)
    monkeypatch.setattr(cpu_time, "read_cores", lambda _: [CoreTimes(at["busy"], 0.0)])
    reader = CpuReader(usage=lambda: None, cores=[core])
    reader.look_around()
    at = {"busy": 100.0 + busy, "run": 1.0, "others": 26.0}
    reader.look_around()
    assert reader.elsewhere == pytest.approx(taken)
