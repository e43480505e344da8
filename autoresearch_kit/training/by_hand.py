"""Show the loss curve and the score of a run that somebody makes by hand, in JupyterLab.

Only such runs import this: one that nobody watches has no use for pandas and corpora.
"""

import atexit
import shutil
import sys
import tempfile
import uuid
from pathlib import Path

import nbformat
import torch
from IPython.display import display

from autoresearch_kit.execution import handover, machine_probe
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.execution.sandbox.visible_files import find_visible_files
from autoresearch_kit.machine import cgroups
from autoresearch_kit.records import KIT_METRICS, Score
from autoresearch_kit.records.text import with_error
from autoresearch_kit.reports.figures.loss_curves import loss_curves, read_curve
from autoresearch_kit.tasks.kinds import read_info
from autoresearch_kit.tasks.lm.dataset import Dataset
from autoresearch_kit.tasks.measured.prepare import prepare_task
from autoresearch_kit.tasks.measured.task_file import read as read_task


def scratch_folder() -> Path:
    """Make a folder that is gone with the kernel."""
    folder = tempfile.mkdtemp(prefix="autoresearch-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def show_result(dataset: Dataset, work: Path, device: torch.device, train_seconds: float) -> None:
    """Show the curve of the losses in `work`; score the model there and print its score.

    Raises:
        ScoreFailure: it has no score; the message says why.
    """
    _show_curve(work)
    score = _score(dataset.folder, work, device, scratch_folder(), train_seconds)
    print(f"{score.metric} {score.value:.6f}")  # noqa: T201 - what the user asked to see


def show_measured(folder: Path, work: Path, device: torch.device, train_seconds: float) -> None:
    """Show the losses in `work`, if any; measure the submission there, and print each metric.

    `folder` is the task's, `train_seconds` the budget that the run had.

    Raises:
        InputError: the task can't be used; the message says what to do.
        ScoreFailure: the submission can't be measured; the message says why.
    """
    _show_curve(work)
    prepared = prepare_task(folder.parent, folder.name)
    (work / handover.MODEL_FILE).touch()  # empty, where only files are handed over
    score = _measure(prepared, work, device, train_seconds)
    metrics = {metric.name: metric for metric in read_task(folder.parent, folder.name).task.metrics}
    for name, value in score.values.items():
        unit = (metrics.get(name) or KIT_METRICS[name]).unit
        print(f"{name:20s} {with_error(value, score.errors.get(name))} {unit}".rstrip())  # noqa: T201


def _measure(prepared: Path, work: Path, device: torch.device, train_seconds: float) -> Score:
    """Have what lies in `work` measured; where that fails, say where measure.ipynb's output is."""
    folder = scratch_folder()
    try:
        return _score(prepared, work, device, folder, train_seconds)
    except scoring.ScoreFailure:
        if (executed := folder / scoring.MEASURED_FILE).exists():
            print(f"measure.ipynb, as far as it was executed: {executed}")  # noqa: T201
            print(_error_in(executed))  # noqa: T201 - its author may read what it quotes
        raise


def _error_in(executed: Path) -> str:
    cells = nbformat.read(executed, nbformat.NO_CONVERT).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    errors = [each for each in outputs if each.output_type == "error"]
    return "\n".join(f"{each.ename}: {each.evalue}" for each in errors)


def _show_curve(work: Path) -> None:
    curve = read_curve((work / handover.METRICS_FILE).read_bytes())
    if len(curve):
        display(loss_curves({"this run": curve}))


def _score(
    prepared: Path, work: Path, device: torch.device, folder: Path, train_seconds: float
) -> Score:
    """Have what lies in `work` scored; `folder` takes the judge's files."""
    # the top-level modules that a submission may need where it is scored
    loaded = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
    info = read_info(prepared)
    return scoring.score(
        scoring.JudgeSpec(
            dataset=prepared.absolute(),
            submission=(work / handover.MODEL_FILE).absolute(),
            folder=folder,
            kit=Path(__file__).parents[2],
            sandbox=bubblewrap.level(),
            run_id=f"by-hand-{uuid.uuid4()}",
            memory_mb=cgroups.memory_mb(),
            seconds=scoring.allowed_seconds(info),
            answer_seconds=scoring.answer_seconds(info, train_seconds),
            device=device.type,
            gpu=machine_probe.gpu_of(device),
            visible=find_visible_files(info, info.name, sorted(loaded)),
        )
    )
