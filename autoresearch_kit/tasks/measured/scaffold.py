"""Write the folder of a new task, which runs as it is and is meant to be changed.

Its data are of Friedman's first function (Multivariate Adaptive Regression Splines, Annals of
Statistics 19, 1991): y = 10 sin(pi a b) + 20 (c - 1/2)^2 + 10 d + 5 e, plus noise of standard
deviation 0.1; five more features say nothing.
"""

import shutil
from pathlib import Path

import numpy as np

from autoresearch_kit.errors import InputError
from autoresearch_kit.tasks.measured import layout
from autoresearch_kit.tasks.measured.task_file import TASK_NAME

TEMPLATE = Path(__file__).with_name("template")
"""The folder's files but for the data."""

FEATURES = 10
NOISE = 0.1

TABLES = (
    (f"{layout.DATA_FOLDER}/train.npz", 4_000),
    (f"{layout.HIDDEN_FOLDER}/test.npz", 2_000),
    (f"{layout.HIDDEN_FOLDER}/{layout.AUDIT_FOLDER}/test.npz", 2_000),
)
"""Files of data, and their rows."""

TO_FILL_IN = (
    (layout.TASK_FILE, "the metrics, which of them decides, the budget of a run"),
    (layout.TRAIN_NOTEBOOK, "your training, in the cells that may be edited"),
    (layout.MEASURE_NOTEBOOK, "how what was submitted is measured"),
    (layout.DATA_FOLDER, "what training sees"),
    (layout.HIDDEN_FOLDER, "what only the measurement sees; its audit/ checks what was kept"),
    (layout.DIRECTIVE_FILE, "what you want, for a language model that proposes"),
)
"""Parts of the folder, and what belongs there."""


def new_task(folder: Path) -> None:
    """Write a task into a new folder, whose name is the task's.

    Raises:
        InputError: the folder is there already, or its name can't be a task's.
    """
    if not TASK_NAME.fullmatch(folder.name):
        raise InputError(
            f"{folder.name!r} can't be a task's name; give a letter, then at most 39 of A-Za-z0-9_-"
        )
    if folder.exists():
        raise InputError(f"{folder} is there already; give another name, or move it away")
    if not folder.parent.is_dir():
        raise InputError(f"no folder {folder.parent.name}; make it first")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(TEMPLATE, part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    task_file = part / layout.TASK_FILE
    task_file.write_text(task_file.read_text().replace('"NAME"', f'"{folder.name}"'))
    draw = np.random.default_rng(0)
    for name, rows in TABLES:
        _write_table(part / name, rows, draw)
    part.rename(folder)


def _write_table(path: Path, rows: int, draw: np.random.Generator) -> None:
    x = draw.random((rows, FEATURES))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y += 10 * x[:, 3] + 5 * x[:, 4] + draw.normal(scale=NOISE, size=rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, inputs=x.astype(np.float32), targets=y.astype(np.float32))
