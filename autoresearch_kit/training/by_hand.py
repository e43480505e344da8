"""Show the loss curve and the score of a run that somebody makes by hand, in JupyterLab.

Only such runs import this: one that nobody watches has no use for pandas and corpora.
"""

import atexit
import shutil
import sys
import tempfile
import uuid
from pathlib import Path

import torch
from IPython.display import display

from autoresearch_kit.execution import handover, machine_probe
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.machine import cgroups
from autoresearch_kit.records import Sight
from autoresearch_kit.reports.figures.loss_curves import loss_curves, read_curve
from autoresearch_kit.tasks.lm.corpora import hidden_here
from autoresearch_kit.tasks.lm.dataset import Dataset


def scratch_folder() -> Path:
    """Make a folder that is gone with the kernel."""
    folder = tempfile.mkdtemp(prefix="autoresearch-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def show_result(dataset: Dataset, work: Path, device: torch.device) -> None:
    """Show the curve of the losses in `work`; score the model there and print its score.

    Raises:
        ScoreFailure: it has no score; the message says why.
    """
    display(loss_curves({"this run": read_curve((work / handover.METRICS_FILE).read_bytes())}))
    # the top-level modules that a model may need where it is scored
    loaded = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
    info = dataset.info
    score = scoring.score(
        scoring.JudgeSpec(
            dataset=dataset.folder.absolute(),
            submission=(work / handover.MODEL_FILE).absolute(),
            folder=scratch_folder(),
            kit=Path(__file__).parents[2],
            sandbox=bubblewrap.level(),
            run_id=f"by-hand-{uuid.uuid4()}",
            memory_mb=cgroups.memory_mb(),
            device=device.type,
            gpu=machine_probe.gpu_of(device),
            sight=Sight(tuple(sorted(loaded)), hidden_here(info, info.name)),
        )
    )
    print(f"{score.metric} {score.value:.6f}")  # noqa: T201 - what the user asked to see
