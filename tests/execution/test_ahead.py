"""Start a runner with its kernel, and a judge, before their turn."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import psutil
import pytest

from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.ahead import Ahead
from autoresearch_kit.execution.devices import Device
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.local import LocalPool, Site
from autoresearch_kit.execution.pool import DataRef, Delivery, Order
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Reason, Run, RunSpec, SandboxLevel, VisibleFiles
from autoresearch_kit.records.codec import encode
from autoresearch_kit.tasks.lm.splits import Split
from tests.campaign import made_up_runs
from tests.execution.notebooks import make_spec, notebook
from tests.execution.test_runs import executed
from tests.ledger import ledger
from tests.training.test_kernel import TRAIN, trained

WAITS = """
import sys
from pathlib import Path
from autoresearch_kit.records.codec import decode
from autoresearch_kit.execution import launch
from autoresearch_kit.records import RunSetup
launch.prepare(decode(RunSetup, Path(sys.argv[1]).read_bytes()))
print('waits', flush=True)
sys.stdin.read()
"""

LOADED = """
import sys
loaded = sys.modules.get('torch')
print(SEED, loaded is not None and not loaded.cuda.is_initialized(), 'torch' in globals())
raise ValueError('done')
"""


def members(*run_ids: str) -> list[int]:
    """Return how many processes of each run there are."""
    return [len(reap.members(run_id)) for run_id in run_ids]


def test_a_waiting_runner_ends_with_its_starter(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.NONE)
    file = tmp_path / "spec.json"
    file.write_bytes(encode(spec))
    argv, pipe = [sys.executable, "-c", WAITS, str(file)], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as campaign:
        assert campaign.stdout is not None
        assert campaign.stdout.readline() == "waits\n"
        left = reap.members(spec.run_id)
        campaign.kill()
    assert left
    _, alive = psutil.wait_procs(left, timeout=30)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes")
def test_runner_and_judge_are_pinned_with_a_thread_a_core(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    spec = make_spec(tmp_path, notebook(""), sandbox=SandboxLevel.NONE)
    spec = replace(spec, cores=(core,))
    started = [
        launch.prepare(spec).runner,
        scoring.start(scoring.judge_spec(spec, spec.folder, Split.VAL)),
    ]
    processes = [psutil.Process(each.process.pid) for each in started]
    while not all(each.environ() for each in processes):  # it has none for a moment of its start
        assert all(each.is_running() for each in processes)
    found = [(each.cpu_affinity(), each.environ()["OMP_NUM_THREADS"]) for each in processes]
    for each in started:
        each.end()
    assert found == [([core], "1")] * 2


def test_a_runner_that_died_waiting_is_the_kits_failure(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook(""), sandbox=bubblewrap.level())
    waiting = launch.prepare(spec)
    waiting.runner.process.kill()
    run = launch.execute(spec, waiting)
    assert run.failure is Reason.KIT_FAILED
    assert "status -9" in run.detail
    assert reap.members(spec.run_id) == []


@pytest.mark.slow
def test_a_waiting_kernel_runs_the_notebook_of_its_turn(tmp_path: Path) -> None:
    """Have torch loaded and no GPU used, and show the notebook no name that it did not import."""
    spec = make_spec(tmp_path, notebook("print('old')"), sandbox=bubblewrap.level())
    waiting = launch.prepare(replace(spec, waits=True))
    nbformat.write(notebook(LOADED), spec.notebook)
    run = launch.execute(spec, waiting)
    assert run.failure is Reason.ERROR
    cell = next(cell for cell in executed(spec).cells if cell.metadata.get("name") == "train")
    assert cell.outputs[0].text == f"{spec.seed} True False\n"


@pytest.mark.slow
def test_a_judge_whose_turn_does_not_come_is_ended(tmp_path: Path) -> None:
    book = notebook("import time\ntime.sleep(1000)")
    spec = make_spec(tmp_path, book, sandbox=bubblewrap.level(), ahead=True)
    judge = scoring.judge_id(spec.run_id)
    with pytest.raises(Cancelled):
        launch.execute(spec, cancelled=lambda: bool(reap.members(judge)))
    assert members(spec.run_id, judge) == [0, 0]


@pytest.fixture
def in_the_way(tmp_path: Path) -> Path:
    """Return a folder that can't be made: a file lies where it belongs."""
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file" / "folder"


def test_a_refusing_disk_before_the_turn_is_logged(
    in_the_way: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = make_spec(tmp_path, notebook(""), sandbox=bubblewrap.level(), ahead=True)
    handover.write_live(spec.folder, handover.TRAINS)
    judge_spec = scoring.judge_spec(spec, tmp_path / "later", Split.VAL)
    ahead = Ahead(spec, judge_spec, in_the_way.mkdir)
    ahead.look()
    ahead.look()
    assert [line.split(":")[0] for line in caplog.messages] == [
        "the judge is started when it is needed",
        "what comes next is started when it is needed",
    ]
    (tmp_path / "later").mkdir()
    judge = ahead.take_judge()
    assert judge.process.poll() is None
    judge.end()


def test_on_few_cores_nothing_is_started_before_scoring_begins(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook(""), sandbox=bubblewrap.level(), ahead=False)
    handover.write_live(spec.folder, handover.TRAINS)
    begun = []
    judge_spec = scoring.judge_spec(spec, spec.folder, Split.VAL)
    ahead = Ahead(spec, judge_spec, lambda: begun.append(members(judge_spec.run_id)))
    ahead.look()
    assert begun == []
    ahead.take_judge().end()
    assert begun == [[1]]


def test_a_waiting_runners_folder_that_is_gone_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path, "night")
    workspace.create()
    workspace.copy_kit()
    spec = make_spec(tmp_path, notebook(""), sandbox=bubblewrap.level())
    data = DataRef("tiny", "0")
    site = Site(spec.dataset, data, "kit", spec.sandbox, VisibleFiles())
    cpu = Device("cpu0", made_up_runs.MACHINE, ledger.FINGERPRINT)
    pool = LocalPool(site, [cpu], workspace, workspace.runs)

    def execute(spec: RunSpec, *_: object, meanwhile: Callable[[], None], **__: object) -> Run:
        meanwhile()
        return ledger.run()

    monkeypatch.setattr(launch, "execute", execute)
    limits = (spec.clock, 1.0, 60.0, 0.0, 1000.0)
    pool.submit(Order("0000", "", 0, data, "kit", *limits))
    (over,) = pool.wait(60)
    assert isinstance(over, Delivery)
    (name,) = {folder.name for folder in workspace.runs.iterdir()} - {over.folder.name}
    shutil.rmtree(workspace.runs / name)
    pool.close()
    assert reap.members(workspace.run_id(workspace.runs / name)) == []


COMPILED = """
import os
from pathlib import Path
folder = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]) / "ab"
folder.mkdir(parents=True)
(folder / "code.py").write_text("x = 1")
"""


@pytest.mark.slow
def test_a_judge_started_ahead_scores_whatever_fails_beside_it(
    in_the_way: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = trained(tmp_path, train=COMPILED + TRAIN, ahead=True, train_seconds=2.0)
    spec = replace(spec, compile_cache=in_the_way)
    run = launch.execute(spec, meanwhile=in_the_way.mkdir)
    assert run.score is not None, run.detail
    assert [line.split(":")[0] for line in caplog.messages] == [
        "what comes next is started when it is needed",
        "what the run compiled is not kept",
    ]
    again = scoring.score(scoring.judge_spec(spec, tmp_path, Split.VAL))
    assert again.nats == run.score.nats
    assert members(spec.run_id, scoring.judge_id(spec.run_id)) == [0, 0]
