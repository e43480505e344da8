"""Read an executed notebook, which unreviewed code wrote: what its cells printed, and its error."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.runner.traceback_excerpt import excerpt
from autoresearch_kit.files.untrusted import read_if_plain
from autoresearch_kit.records import codec
from autoresearch_kit.records.text import without_escapes

NOTEBOOK_LIMIT = 20_000_000
"""Bytes of an executed notebook that are read."""

TRACEBACK_LIMIT = 6_000
"""Characters of the excerpt that is kept of a traceback."""

_BAR = re.compile(r"\d+%\|")
"""Found in a line with a progress bar of tqdm's."""

_CELL = re.compile(r"\b(?:Cell In ?|Input In )\[(\d{1,9})\]")
"""IPython's name of a cell in a traceback, with its execution count."""

Text = str | tuple[str, ...]
"""A text in a notebook: nbformat writes it line by line, other programs in one piece."""


@dataclass(frozen=True)
class Output:
    """The parts of a cell's output that are read: a stream's `text`, an error's traceback."""

    output_type: str = ""
    text: Text = ""
    traceback: tuple[str, ...] = ()


@dataclass(frozen=True)
class CellMetadata:
    """The part of a cell's metadata that is read."""

    name: str = ""


@dataclass(frozen=True)
class ExecutedCell:
    """A cell and its outputs."""

    outputs: tuple[Output, ...] = ()
    execution_count: int | None = None
    metadata: CellMetadata = field(default_factory=CellMetadata)


@dataclass(frozen=True)
class Executed:
    """An executed notebook."""

    cells: tuple[ExecutedCell, ...] = ()


def read_executed(path: Path) -> Executed:
    """Return the executed notebook at `path`, without cells if it can't be read."""
    return parse_executed(read_if_plain(path, NOTEBOOK_LIMIT))


def parse_executed(notebook: bytes) -> Executed:
    """Return the executed notebook with this text, without cells if it can't be read."""
    try:
        return codec.decode(Executed, notebook[:NOTEBOOK_LIMIT])
    except InputError:
        return Executed()


def error_in(executed: Executed) -> str:
    """Return an excerpt of the last traceback, with cells' names; empty if there is none.

    It begins with the notebook's own frames and ends with the error.
    """
    outputs = [output for cell in executed.cells for output in cell.outputs]
    errors = [output for output in outputs if output.output_type == "error"]
    if not errors:
        return ""
    names = {str(cell.execution_count): cell.metadata.name for cell in executed.cells}

    def named(match: re.Match[str]) -> str:
        name = names.get(match[1])
        return f"cell '{name}'" if name else match[0]

    traceback = without_escapes("\n".join(errors[-1].traceback))
    return excerpt(_CELL.sub(named, traceback), TRACEBACK_LIMIT)


def printed(executed: Executed) -> str:
    """Return what the cells wrote to stdout and stderr, by cell, without progress bars."""
    texts = [(cell.metadata.name, _streams(cell)) for cell in executed.cells]
    return "\n".join(f"[cell {name}]\n{text}" for name, text in texts if text)


def _streams(cell: ExecutedCell) -> str:
    streams = [output for output in cell.outputs if output.output_type == "stream"]
    text = "".join(_joined(output.text) for output in streams)
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(line for line in lines if not _BAR.search(line)).strip("\n")


def _joined(text: Text) -> str:
    return text if isinstance(text, str) else "".join(text)
