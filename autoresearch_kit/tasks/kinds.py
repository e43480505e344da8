"""Find the code behind a task, and read what its prepared folder says."""

from pathlib import Path

from autoresearch_kit.records import DatasetInfo, TaskInfo, codec
from autoresearch_kit.tasks.base import Kind
from autoresearch_kit.tasks.lm import corpora
from autoresearch_kit.tasks.lm.dataset import INFO_FILE
from autoresearch_kit.tasks.lm.task import LANGUAGE_MODEL
from autoresearch_kit.tasks.measured import layout
from autoresearch_kit.tasks.measured.task import MEASURED


def kind_of(info: DatasetInfo | TaskInfo) -> Kind:
    """Return the code behind a prepared task."""
    return MEASURED if isinstance(info, TaskInfo) else LANGUAGE_MODEL


def kind_at(prepared: Path) -> Kind:
    """Return the code behind the task in a prepared folder, of which nothing else is read."""
    return MEASURED if layout.is_task(prepared) else LANGUAGE_MODEL


def read_info(prepared: Path) -> DatasetInfo | TaskInfo:
    """Return what a prepared folder says of itself; InputError if it can't be read."""
    if layout.is_task(prepared):
        return codec.decode(TaskInfo, (prepared / layout.INFO_FILE).read_bytes())
    return codec.decode(DatasetInfo, (prepared / INFO_FILE).read_bytes())


def is_audited(info: DatasetInfo | TaskInfo) -> bool:
    """Return whether there is data that only keeps are measured on."""
    return info.audited if isinstance(info, TaskInfo) else True


def hidden_here(info: DatasetInfo | TaskInfo, corpus: str) -> tuple[Path, ...]:
    """Return the files and folders of this machine that runs must not see.

    `corpus` is what a data set was prepared from.
    """
    if isinstance(info, TaskInfo):
        return tuple(map(Path, info.hides))
    return corpora.hidden_here(info, corpus)
