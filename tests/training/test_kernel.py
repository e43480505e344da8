"""A notebook with a real model, through the kit's kernel module, runner and judge."""

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

from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.runner.submission import taken_model
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Clock, Reason, RunSpec, SandboxLevel
from autoresearch_kit.records.codec import encode
from tests.execution.notebooks import CONTEXT, ROWS, make_dataset, make_spec, notebook
from tests.execution.test_runs import both_levels, execute

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
        return self.table(x)

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

pytestmark = pytest.mark.slow


def trained(
    tmp_path: Path,
    *,
    model: str = MODEL,
    train: str = TRAIN,
    level: SandboxLevel | None = None,
    ahead: bool = False,
    train_seconds: float = 3.0,
) -> RunSpec:
    book = notebook(train, setup=SETUP, model=model, submit=SUBMIT)
    return make_spec(
        tmp_path,
        book,
        sandbox=level or bubblewrap.level(),
        ahead=ahead,
        train_seconds=train_seconds,
        compile_seconds=120.0,
        wall_seconds=280.0,
        clock=Clock.CPU,
    )


def curve(spec: RunSpec) -> list[dict[str, float]]:
    path = spec.folder / handover.WORK_FOLDER / handover.METRICS_FILE
    return [json.loads(line) for line in path.read_text().splitlines()]


@both_levels
def test_an_honest_model_trains_and_is_scored(level: SandboxLevel, tmp_path: Path) -> None:
    spec = trained(tmp_path, level=level)
    run = execute(spec)
    assert run.failure is None, run.detail
    assert run.score is not None
    assert run.score.metric == "val_bpb"
    assert run.score.tokens <= ROWS * CONTEXT
    assert run.steps > 10
    assert run.clock is Clock.CPU
    assert run.train_seconds == pytest.approx(3.0, abs=1.0)
    assert run.tokens == run.steps * 4 * CONTEXT
    assert set(run.parts) == {"start", "setup", "finish", "score"}
    losses = curve(spec)
    assert set(losses[0]) == {"step", "seconds", "loss", "tokens", "lr"}
    assert losses[0]["step"] == 0
    assert losses[-1]["step"] == run.steps - 1
    executed = nbformat.read(spec.folder / handover.EXECUTED_FILE, nbformat.NO_CONVERT)
    assert [output.text for output in executed.cells[-1].outputs] == ["not drawing\n"]
    assert not (spec.folder / handover.WORK_FOLDER / handover.HOME_FOLDER).exists()


@pytest.mark.parametrize(
    "loss", ["float('nan')", "loss * 100 if step > 20 else loss"], ids=["nan", "exploding"]
)
def test_divergence_ends_the_run(loss: str, tmp_path: Path) -> None:
    train = TRAIN.replace("loss=loss", f"loss={loss}")
    run = execute(trained(tmp_path, train=train, train_seconds=30.0))
    assert run.failure is Reason.DIVERGED
    assert run.train_seconds < 25.0


def test_what_can_not_be_handed_over_is_found_before_the_first_step(tmp_path: Path) -> None:
    spec = trained(tmp_path, model=f"{MODEL}\nmodel.log = open('log', 'w')", train_seconds=30.0)
    run = execute(spec)
    assert run.failure is Reason.UNPICKLABLE
    assert "model.log is or holds what can't be pickled (an open file)" in run.detail
    assert run.steps == 0


def test_a_compiled_model_is_scored_and_what_it_compiled_is_kept(tmp_path: Path) -> None:
    train = TRAIN.replace("batches =", "trained = torch.compile(model)\nbatches =").replace(
        "F.cross_entropy(model(x)", "F.cross_entropy(trained(x)"
    )
    spec = trained(tmp_path, train=train)
    run = execute(spec)
    assert run.failure is None, run.detail
    assert run.compile_seconds > 0.5
    assert any(spec.compile_cache.rglob("*.py"))
    assert not (spec.folder / handover.WORK_FOLDER / "cache").exists()


def test_a_model_that_refers_to_its_run_gets_its_constants(tmp_path: Path) -> None:
    model = MODEL.replace("self.table(x)", "self.table(x)[..., : run.vocab_size]")
    run = launch.execute(trained(tmp_path, model=model))
    assert run.score is not None, run.detail


@both_levels
def test_the_judge_dies_with_who_started_it(level: SandboxLevel, tmp_path: Path) -> None:
    """Its predictors too: they are still importing torch when the campaign is killed."""
    spec = trained(tmp_path, level=level)
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
