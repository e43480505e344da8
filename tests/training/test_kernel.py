"""Test a real model in a real notebook: kernel module, runner and judge."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from autoresearch_kit.errors import TrainingError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.runner.submission import taken_model
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Clock, Reason, Run, RunSpec, SandboxLevel
from autoresearch_kit.records.codec import decode, encode
from autoresearch_kit.training import kernel
from autoresearch_kit.training.budgeted_run import SETTLED_STEPS
from tests.execution.notebooks import CONTEXT, ROWS, make_dataset, make_spec, notebook
from tests.execution.test_runs import execute, needs_bubblewrap

SETUP = """
import torch
from torch import nn
from torch.nn import functional as F
from autoresearch_kit.training import kernel
run = kernel.start(DATASET, TRAIN_SECONDS, SEED)
"""

MODEL = """
class Bigram(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(run.vocab_size, run.vocab_size)

    def forward(self, x):
        return self.table(x)[..., : run.vocab_size]  # refers to its run

model = Bigram().to(run.device)
"""

TRAIN = """
optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
batches = run.batches(4)
for step in run.steps():
    x, y = next(batches)
    with run.autocast():
        loss = F.cross_entropy(model(x).flatten(0, 1).float(), y.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    run.log(loss=loss, tokens=x.numel(), lr=0.1)
"""

SUBMIT = """
import sys
run.submit(model)
print("drawing" if {"matplotlib", "pandas"} & set(sys.modules) else "not drawing")
"""

SCORING = """
import sys
from pathlib import Path
from autoresearch_kit.records.codec import decode
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.tasks.lm.splits import Split
from autoresearch_kit.records import RunSpec
spec = decode(RunSpec, Path(sys.argv[1]).read_bytes())
def poll():
    if len(reap.members(scoring.judge_id(spec.run_id))) >= 3:
        print('predicting', flush=True)
scoring.score(scoring.judge_spec(spec, spec.folder, Split.VAL), poll=poll)
"""

COMPILED = TRAIN.replace("optimizer =", "model = torch.compile(model)\noptimizer =", 1)


def trained(
    tmp_path: Path,
    *,
    model: str = MODEL,
    train: str = TRAIN,
    level: SandboxLevel | None = None,
    ahead: bool = False,
    train_seconds: float = 3.0,
) -> RunSpec:
    return make_spec(
        tmp_path,
        notebook(train, setup=SETUP, model=model, submit=SUBMIT),
        sandbox=level or bubblewrap.level(),
        ahead=ahead,
        train_seconds=train_seconds,
        compile_seconds=120.0,
        wall_seconds=280.0,
        clock=Clock.CPU,
    )


def check_honest(spec: RunSpec, run: Run) -> None:
    assert run.failure is None, run.detail
    assert run.score is not None
    assert run.score.metric == "val_bpb"
    assert run.score.tokens <= ROWS * CONTEXT
    assert run.steps > 10
    assert run.tokens == run.steps * 4 * CONTEXT
    assert set(run.parts) == {"start", "setup", "finish", "score"}
    path = spec.folder / handover.WORK_FOLDER / handover.METRICS_FILE
    losses = [json.loads(line) for line in path.read_text().splitlines()]
    assert set(losses[0]) == {"step", "seconds", "loss", "tokens", "lr"}
    assert (losses[0]["step"], losses[-1]["step"]) == (0, run.steps - 1)
    executed = nbformat.read(spec.folder / handover.EXECUTED_FILE, nbformat.NO_CONVERT)
    assert [output.text for output in executed.cells[-1].outputs] == ["not drawing\n"]
    assert not (spec.folder / handover.WORK_FOLDER / handover.HOME_FOLDER).exists()


@pytest.mark.slow
def test_an_honest_model_trains_and_is_scored(tmp_path: Path) -> None:
    spec = trained(tmp_path, level=SandboxLevel.NONE)
    run = execute(spec)
    check_honest(spec, run)
    assert run.clock is Clock.CPU
    assert run.train_seconds == pytest.approx(3.0, abs=1.0)


@pytest.mark.slow
@needs_bubblewrap
def test_a_compiled_model_is_scored_and_its_cache_kept(tmp_path: Path) -> None:
    spec = trained(tmp_path, train=COMPILED)
    run = execute(spec)
    check_honest(spec, run)
    assert run.compile_seconds > 0.5
    assert any(spec.compile_cache.rglob("*.py"))
    assert not (spec.folder / handover.WORK_FOLDER / "cache").exists()


@pytest.mark.slow
def test_an_unpicklable_model_ends_before_the_first_step(tmp_path: Path) -> None:
    spec = trained(tmp_path, model=f"{MODEL}\nmodel.log = open('log', 'w')", train_seconds=30.0)
    run = execute(spec)
    assert run.failure is Reason.UNPICKLABLE
    assert "model.log is or holds what can't be pickled (an open file)" in run.detail
    assert run.steps == 0


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kernel.TrainingRun:
    """Return a run in this process, as under the runner."""
    dataset = make_dataset(tmp_path / "toy")
    monkeypatch.setenv(handover.DATASET, str(dataset))
    monkeypatch.setenv(handover.WORK, str(tmp_path))
    return kernel.start("", train_seconds=60.0, seed=0)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 300.0])
def test_a_loss_that_diverges_ends_the_run(
    loss: float, run_here: kernel.TrainingRun, tmp_path: Path
) -> None:
    for step in run_here.steps():
        if step == SETTLED_STEPS:
            break
        run_here.log(loss=4.0 if step else 100.0)
    with pytest.raises(TrainingError, match="at step 20"):
        run_here.log(loss=loss)
    failure = decode(handover.Failure, (tmp_path / handover.FAILURE_FILE).read_bytes())
    assert failure.reason is Reason.DIVERGED


@pytest.mark.slow
def test_the_judge_dies_with_who_started_it(tmp_path: Path) -> None:
    """The predictors end too: they are still importing torch when the campaign is killed."""
    spec = trained(tmp_path, level=SandboxLevel.NONE)
    (spec.folder / handover.SPEC_FILE).write_bytes(encode(spec))
    taken_model(spec.folder).touch()
    command = [sys.executable, "-c", SCORING, str(spec.folder / handover.SPEC_FILE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as campaign:
        assert campaign.stdout is not None
        assert campaign.stdout.readline() == "predicting\n"
        left = reap.members(scoring.judge_id(spec.run_id))
        os.kill(campaign.pid, 9)
    _, alive = psutil.wait_procs(left, timeout=30)
    assert left
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.slow
def test_by_hand_the_loss_curve_and_the_score_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(tmp_path / "toy")
    monkeypatch.setenv("AUTORESEARCH_DATA", str(tmp_path))
    monkeypatch.delenv(handover.WORK, raising=False)
    book = notebook(TRAIN, setup=SETUP, model=MODEL, submit=SUBMIT)
    NotebookClient(book).execute()
    curve, score = book.cells[-1].outputs
    assert curve.data["image/png"]
    assert re.fullmatch(r"val_bpb \d\.\d{6}\ndrawing\n", score.text)
