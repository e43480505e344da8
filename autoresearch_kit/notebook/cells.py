"""Cells with names, out of a Jupyter notebook's JSON and back.

What is kept of a notebook: the source, name and tags of its cells, and its kernel. Outputs,
execution counts, attachments and other metadata are not, so the same code is always the same text.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.bounded import MEGABYTE, read_all
from autoresearch_kit.records.codec import decode

EDITABLE = "editable"
LOCKED = "locked"

FILE_LIMIT = 100 * MEGABYTE
"""Bytes of a notebook's file; pictures in its outputs can make it large."""

SOURCE_LIMIT = MEGABYTE
"""Characters of all its cells. A model is shown some 30,000; parsing costs a thousandfold."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class CellKind(StrEnum):
    """What a cell is to Jupyter."""

    CODE = "code"
    MARKDOWN = "markdown"


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook; `name` is its address, and its id."""

    name: str
    source: str
    kind: CellKind = CellKind.CODE
    tags: tuple[str, ...] = (EDITABLE,)

    @property
    def editable(self) -> bool:
        """Whether a researcher may rewrite or delete it."""
        return self.kind is CellKind.CODE and EDITABLE in self.tags

    @property
    def locked(self) -> bool:
        """Whether it is re-laid from the baseline before each run."""
        return self.kind is CellKind.CODE and LOCKED in self.tags

    @property
    def markdown(self) -> bool:
        """Whether it is prose."""
        return self.kind is CellKind.MARKDOWN


@dataclass(frozen=True)
class KernelSpec:
    """The Jupyter kernel that a notebook asks for."""

    name: str = "python3"
    display_name: str = "Python 3"


@dataclass(frozen=True)
class CellMetadata:
    """What the kit reads of a cell's metadata."""

    name: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotebookCell:
    """A cell as it stands in the JSON."""

    cell_type: str
    source: str | tuple[str, ...]
    metadata: CellMetadata = field(default_factory=CellMetadata)


@dataclass(frozen=True)
class NotebookMetadata:
    """What the kit reads of a notebook's metadata."""

    kernelspec: KernelSpec = field(default_factory=KernelSpec)


@dataclass(frozen=True)
class Notebook:
    """A notebook as it stands in the JSON; what is not named here is not read."""

    nbformat: int
    cells: tuple[NotebookCell, ...] = ()
    metadata: NotebookMetadata = field(default_factory=NotebookMetadata)


def is_word(name: str) -> bool:
    """Whether `name` can be a cell's name: a letter, then up to 63 letters, digits, '-' and '_'."""
    return _WORD.fullmatch(name) is not None


def parse_cells(text: str) -> tuple[tuple[Cell, ...], KernelSpec]:
    """The cells and the kernel in a notebook's JSON.

    Raises:
        InputError: it is not a notebook of format 4, or a cell is raw or a code cell has no name.
    """
    notebook = read_notebook(text)
    cells = []
    for at, raw in enumerate(notebook.cells):
        if problem := naming_problem(raw, at):
            raise InputError(problem)
        cells.append(cell_of(raw))
    return tuple(_name_markdown(cells)), notebook.metadata.kernelspec


def read_notebook(text: str) -> Notebook:
    """What the kit reads of a notebook's JSON, whatever its cells are called. Nothing is run.

    Raises:
        InputError: it is not a notebook of format 4, or has more source than anybody writes.
    """
    notebook = decode(Notebook, text)
    if notebook.nbformat != 4:
        raise InputError(
            f"notebook format {notebook.nbformat}; open it in JupyterLab and save it as format 4"
        )
    size = sum(len(source_of(raw)) for raw in notebook.cells)
    if size > SOURCE_LIMIT:
        raise InputError(
            f"its cells hold {size:,} characters; at most {SOURCE_LIMIT:,} are read: move data "
            "into the corpus, and pictures out of the source"
        )
    return notebook


def cell_of(raw: NotebookCell) -> Cell:
    """A code or markdown cell, out of the JSON; prose may have no name."""
    kind, name = CellKind(raw.cell_type), raw.metadata.name
    named = name if kind is CellKind.CODE or is_word(name) else ""
    return Cell(named, source_of(raw), kind, raw.metadata.tags)


def source_of(raw: NotebookCell) -> str:
    """A cell's source as one text."""
    return raw.source if isinstance(raw.source, str) else "".join(raw.source)


def naming_problem(raw: NotebookCell, at: int) -> str:
    """Why the cell at this place (from 0) has no address, with the way out; '' if it has one."""
    start = source_of(raw).strip().partition("\n")[0][:40]
    where, name = f"cell {at + 1} (it starts {start!r})", raw.metadata.name
    if raw.cell_type == CellKind.MARKDOWN:
        return ""
    if raw.cell_type != CellKind.CODE:
        return f"{where} is a {raw.cell_type} cell; make it a code or a markdown cell"
    if not name:
        return f'{where} has no name; give it a word as "name" in its metadata'
    if not is_word(name):
        return f"{where} is named {name!r}; a name is one word, like 'model'"
    return ""


def _name_markdown(cells: Sequence[Cell]) -> list[Cell]:
    """Prose is named after the cell it stands before, so that ids don't change by themselves."""
    named: list[Cell] = []
    taken = {cell.name for cell in cells}
    for at, cell in enumerate(cells):
        if cell.name:
            named.append(cell)
            continue
        after = next((c.name for c in cells[at:] if not c.markdown), "end")
        number, name = 1, f"about-{after}"[:60]
        while name in taken:
            number += 1
            name = f"about-{after}"[:60] + f"-{number}"
        taken.add(name)
        named.append(Cell(name, cell.source, cell.kind, cell.tags))
    return named


def write_cells(cells: Sequence[Cell], kernel: KernelSpec) -> str:
    """The JSON of a notebook (format 4.5) with these cells: no outputs, ids equal to names.

    Laid out as nbformat does: keys sorted, indented by 1, sources as lists of lines.
    """
    notebook = {
        "cells": [_write_cell(cell) for cell in cells],
        "metadata": {
            "kernelspec": {
                "display_name": kernel.display_name,
                "language": "python",
                "name": kernel.name,
            },
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return f"{json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False)}\n"


def _write_cell(cell: Cell) -> dict[str, object]:
    run: dict[str, object] = {} if cell.markdown else {"execution_count": None, "outputs": []}
    tags = {"tags": cell.tags} if cell.tags else {}
    return run | {
        "cell_type": cell.kind,
        "id": cell.name,
        "metadata": {"name": cell.name} | tags,
        "source": cell.source.splitlines(keepends=True),
    }


def read_text(path: Path) -> str:
    """The text of a notebook's file.

    Raises:
        InputError: there is no such file, or it can't be read as UTF-8 text, or is too large.
    """
    try:
        return read_all(path, FILE_LIMIT).decode().replace("\r\n", "\n")
    except FileNotFoundError as error:
        raise InputError(f"no notebook at {path}") from error
    except (OSError, UnicodeDecodeError, InputError) as error:
        raise InputError(f"can't read the notebook {path}: {error}") from error
