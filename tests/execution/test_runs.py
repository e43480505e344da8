"""Each way to fail ends with its reason, in bounded time, and with no process left."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat import NotebookNode

from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Accelerator, Clock, Reason, Run, RunSpec, SandboxLevel
from autoresearch_kit.records.codec import decode, encode
from tests.execution.notebooks import make_spec, notebook

needs_bubblewrap = pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())

BOTH = (pytest.param(SandboxLevel.BUBBLEWRAP, marks=needs_bubblewrap), SandboxLevel.NONE)
both_levels = pytest.mark.parametrize("level", BOTH)

START = "from autoresearch_kit.training import kernel\nkernel.start(DATASET, TRAIN_SECONDS, SEED)"

HANG = "import time\ntime.sleep(10**6)"

MESSY = """
import ctypes, os, signal, subprocess, time
print(sorted(os.listdir(os.environ['AUTORESEARCH_DATASET'])))
ctypes.CDLL(None).prctl(15, b'notebook')  # the name of its process

def wait(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass

signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for its children
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        wait(0.3)
        os._exit(0)
wait(1)
subprocess.Popen(['sleep', '1002'], start_new_session=True)
subprocess.Popen(['sleep', '1002'], env={}, start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp('sleep', ['sleep', '1002'])
    os._exit(0)
1 / 0
"""
"""Lists its data, and leaves children outside of its session that nobody waits for."""

SWALLOW = """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""

FLOOD = """
from IPython.display import display
for _ in range(20):
    print('x' * 10**6)
for i in range(5_000):
    print(f'\\r{i}', end='', flush=True)
for _ in range(20):
    display({'text/plain': 'x' * 10**6}, raw=True)
raise ValueError('done')
"""

ALL_MEMORY = "kept = []\nwhile True:\n    kept.append(bytearray(b'x') * 10_000_000)"


def execute(spec: RunSpec) -> Run:
    """Run it, and check that nothing is left and that the notebook is valid."""
    run = launch.execute(spec)
    assert reap.members(spec.run_id) == []
    assert not reap.socket_folder(spec.run_id).exists()
    nbformat.validate(executed(spec))
    return run


def executed(spec: RunSpec) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(spec.folder / handover.EXECUTED_FILE, as_version=4)
    return notebook


def statuses(spec: RunSpec) -> dict[str, str]:
    return {
        cell.metadata.get("name", "injected"): cell.metadata.papermill.status
        for cell in executed(spec).cells
    }


def at_training(spec: RunSpec, do: Callable[[], bool]) -> Callable[[], bool]:
    """Return a `cancelled` that asks `do` once training has begun."""

    def cancelled() -> bool:
        live = decode(handover.Live, (spec.folder / handover.LIVE_FILE).read_bytes())
        return live.stage == "train" and do()

    return cancelled


@dataclass(frozen=True)
class Messy:
    """A run of `MESSY` that is over, and the processes that were there before it."""

    spec: RunSpec
    run: Run
    before: frozenset[int]


@pytest.fixture(scope="module", params=BOTH)
def messy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Messy:
    folder = tmp_path_factory.mktemp("messy")
    spec = make_spec(folder, notebook(MESSY), sandbox=request.param)
    before = frozenset(process.pid for process in psutil.process_iter())
    return Messy(spec, execute(spec), before)


linux = pytest.mark.skipif(sys.platform != "linux", reason="does what only Linux allows")


@linux
def test_an_error_is_named_and_later_cells_stay_pending(messy: Messy) -> None:
    assert messy.run.failure is Reason.ERROR
    assert messy.run.detail == "ZeroDivisionError: division by zero (in cell 'train')"
    ended = {"parameters", "injected", "setup", "model"}
    assert statuses(messy.spec) == {
        **dict.fromkeys(ended, "completed"),
        "train": "failed",
        "submit": "pending",
    }
    assert messy.run.sandbox is messy.spec.sandbox
    assert set(messy.run.parts) == {"start", "setup"}


@linux
def test_a_notebook_sees_its_training_data_only(messy: Messy) -> None:
    if messy.run.sandbox is SandboxLevel.NONE:
        pytest.skip("nothing is hidden")
    printed = executed(messy.spec).cells[-2].outputs[0].text
    assert printed == "['dataset.json', 'token_bytes.npy', 'train']\n"


@linux
def test_children_that_left_the_session_are_killed(messy: Messy) -> None:
    new = [each for each in psutil.process_iter(["cmdline"]) if each.pid not in messy.before]
    assert not [process for process in new if process.info["cmdline"] == ["sleep", "1002"]]


@linux
def test_a_notebooks_own_processes_are_not_elsewhere(messy: Messy) -> None:
    assert messy.run.conditions is not None
    assert "notebook" not in messy.run.conditions.busiest


@pytest.mark.parametrize(
    ("train", "level"),
    [
        pytest.param(HANG, SandboxLevel.BUBBLEWRAP, marks=needs_bubblewrap),
        ("sum(range(10**13))", SandboxLevel.NONE),
        (SWALLOW, SandboxLevel.NONE),
    ],
    ids=["hangs", "holds the GIL in C", "swallows interrupts"],
)
def test_a_cell_that_does_not_end_is_ended(train: str, level: SandboxLevel, tmp_path: Path) -> None:
    spec = make_spec(
        tmp_path, notebook(train), sandbox=level, train_seconds=0.5, compile_seconds=0.0
    )
    run = execute(spec)
    assert run.failure is Reason.DEADLINE
    assert statuses(spec)["train"] == "failed"
    assert statuses(spec)["submit"] == "pending"
    shown = executed(spec).cells[-2].outputs[-1]
    assert (shown.ename, shown.evalue) == ("deadline", run.detail)
    assert run.conditions is not None


@pytest.mark.slow
def test_the_deadline_holds_before_training_too(tmp_path: Path) -> None:
    book = notebook("", setup=HANG)
    spec = make_spec(tmp_path, book, sandbox=bubblewrap.level(), wall_seconds=5.0)
    assert execute(spec).failure is Reason.DEADLINE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "level"),
    [
        pytest.param("os._exit(0)", SandboxLevel.BUBBLEWRAP, marks=needs_bubblewrap),
        ("import sys; sys.exit(0)", SandboxLevel.NONE),
        pytest.param("os.kill(os.getpid(), 9)", SandboxLevel.BUBBLEWRAP, marks=needs_bubblewrap),
        ("import ctypes; ctypes.string_at(0)", SandboxLevel.NONE),
    ],
    ids=["os._exit", "sys.exit", "kill -9", "segfault"],
)
def test_a_kernel_that_dies_has_exited(train: str, level: SandboxLevel, tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook(train), sandbox=level)
    assert execute(spec).failure is Reason.EXITED
    assert statuses(spec)["train"] == "failed"
    assert statuses(spec)["submit"] == "pending"


@pytest.mark.slow
def test_a_flood_makes_no_large_notebook(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook(FLOOD), sandbox=bubblewrap.level())
    assert execute(spec).failure is Reason.ERROR
    assert (spec.folder / handover.EXECUTED_FILE).stat().st_size < 400_000
    assert (spec.folder / handover.LOG_FILE).stat().st_size < 10_000


@pytest.mark.slow
def test_memory_is_bounded(tmp_path: Path) -> None:
    level = bubblewrap.level()
    run = execute(make_spec(tmp_path, notebook(ALL_MEMORY), sandbox=level, memory_mb=500.0))
    assert run.failure is Reason.OUT_OF_MEMORY
    assert run.peak_memory_mb > 500.0


def test_a_missing_gpu_is_the_kits_failure(tmp_path: Path) -> None:
    gpu = Accelerator("cuda", (9, 0), 85_000, uuid="GPU-none")
    spec = make_spec(tmp_path, notebook("print('trains')", setup=START), sandbox=bubblewrap.level())
    run = execute(replace(spec, gpu=gpu))
    assert (run.failure, run.train_seconds) == (Reason.KIT_FAILED, 0.0)
    assert "this run is to compute on 'cuda', and torch finds only 'cpu'" in run.detail
    assert "\n" not in run.detail
    assert statuses(spec)["train"] == "pending"
    assert run.conditions is None


@pytest.mark.slow
def test_a_notebook_cannot_pretend_its_gpu_is_gone(tmp_path: Path) -> None:
    train = f"os.environ['{handover.DEVICE}'] = 'cuda'\nos.environ['CUDA_VISIBLE_DEVICES'] = ''\n"
    book = notebook(train + START)
    run = execute(make_spec(tmp_path, book, sandbox=bubblewrap.level()))
    assert "this run is to compute on 'cuda'" in run.detail
    assert run.failure is Reason.ERROR


def test_a_watchdog_that_fails_ends_the_run_at_once(tmp_path: Path) -> None:
    level = bubblewrap.level()
    spec = make_spec(tmp_path, notebook(HANG), sandbox=level, train_seconds=300.0, clock=Clock.CPU)
    told = spec.folder / handover.FROM_RUNNER_FOLDER

    def move_away() -> bool:
        if told.exists():
            told.rename(tmp_path / "elsewhere")  # where it writes its clock
        return False

    run = launch.execute(spec, cancelled=at_training(spec, move_away))
    assert run.failure is Reason.KIT_FAILED
    assert run.detail.startswith("the watchdog failed: FileNotFoundError: ")
    assert reap.members(spec.run_id) == []


def test_a_watchdog_that_cannot_kill_ends_its_runner(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from tests.execution.notebooks import make_spec, notebook
from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.runner.deadline import Watchdog
from autoresearch_kit.records import SandboxLevel
def kill():
    raise ExecutionError("processes 7 can't be killed")
spec = make_spec(Path({str(tmp_path)!r}), notebook(""), sandbox=SandboxLevel.NONE)
(spec.folder / "work").mkdir()
watch = Watchdog(spec, started=0.0, kill=kill)
watch.start()
watch.join()
"""
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said == "the watchdog failed: ExecutionError: processes 7 can't be killed"


def test_stopping_now_kills_everything(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook(HANG), sandbox=SandboxLevel.NONE)
    with pytest.raises(Cancelled):
        launch.execute(spec, cancelled=at_training(spec, lambda: True))
    assert reap.members(spec.run_id) == []


@pytest.mark.slow
def test_a_dead_runner_is_the_kits_failure(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook(HANG), sandbox=bubblewrap.level())

    def kill_runner() -> bool:
        psutil.Process().children()[0].kill()
        return False

    run = launch.execute(spec, cancelled=at_training(spec, kill_runner))
    assert run.failure is Reason.KIT_FAILED
    assert "status -9" in run.detail
    assert reap.members(spec.run_id) == []


@pytest.mark.slow
def test_nothing_survives_the_death_of_the_campaign(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook(HANG), sandbox=bubblewrap.level())
    spec_file = spec.folder / handover.SPEC_FILE
    spec_file.write_bytes(encode(spec))
    code = f"""
from pathlib import Path
from autoresearch_kit.records.codec import decode, encode
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.records import RunSpec
spec = decode(RunSpec, Path({str(spec_file)!r}).read_bytes())
def cancelled():
    live = decode(handover.Live, (spec.folder / handover.LIVE_FILE).read_bytes())
    if live.stage == 'train':
        print('training', flush=True)
    return False
launch.execute(spec, cancelled=cancelled)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as campaign:
        assert campaign.stdout is not None
        assert campaign.stdout.readline() == "training\n"
        left = reap.members(spec.run_id)
        assert left
        os.kill(campaign.pid, 9)
    _, alive = psutil.wait_procs(left, timeout=30)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
