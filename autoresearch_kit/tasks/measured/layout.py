"""The names in a task's folder, and in the prepared copy of it that runs see parts of."""

from pathlib import Path

TASK_FILE = "task.toml"
TRAIN_NOTEBOOK = "train.ipynb"
MEASURE_NOTEBOOK = "measure.ipynb"
DIRECTIVE_FILE = "program.md"
"""In the folder: the directive for this task, in place of the project's."""
DATA_FOLDER = "data"
"""Seen by the training notebook, and by the measurement."""
HIDDEN_FOLDER = "hidden"
"""Seen by the measurement only."""
AUDIT_FOLDER = "audit"
"""In the folder: `hidden/audit`, which only keeps are measured on. In the copy: beside `hidden`."""

INFO_FILE = "task.json"
"""In the copy: its `TaskInfo`."""
MEASURE_FOLDER = "measure"
"""In the copy: all other files of the folder, among them `measure.ipynb` or the commands."""


def is_task(prepared: Path) -> bool:
    """Return whether a prepared folder is of a task, not of a language model's data set."""
    return (prepared / INFO_FILE).is_file()
