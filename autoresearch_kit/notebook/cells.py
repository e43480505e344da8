"""Cells with names, read from a Jupyter notebook and written as one.

The kit keeps each cell's source, name and tags, and the notebook's kernel. It drops outputs,
execution counts, attachments and other metadata, so the same code is always the same text.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from pathlib import Path

import msgspec

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.bounded import MEGABYTE, read_all

# jsonschema can do without this parser of addresses, which takes a second to import.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None: can't be imported
import nbformat  # noqa: E402

EDITABLE = "editable"
LOCKED = "locked"

FILE_LIMIT = 100 * MEGABYTE
"""Largest file that is read, in bytes; images in the outputs can make a notebook large."""

SOURCE_LIMIT = MEGABYTE
"""Most bytes of source that are read; parsing takes a thousand times that in memory."""

KEPT = 16
"""Notebooks whose text and cells are kept: a campaign asks for the best and its edits again and
again, and each time their checks take 10 ms."""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook, code or markdown; `name` is its address, and its id."""

    name: str
    source: str
    markdown: bool = False
    tags: tuple[str, ...] = (EDITABLE,)

    @property
    def editable(self) -> bool:
        """Return True for code that a researcher may rewrite or delete."""
        return not self.markdown and EDITABLE in self.tags

    @property
    def locked(self) -> bool:
        """Return True for code that the baseline's cell replaces before each run."""
        return not self.markdown and LOCKED in self.tags


@dataclass(frozen=True)
class KernelSpec:
    """The Jupyter kernel that a notebook asks for."""

    name: str = "python3"
    display_name: str = "Python 3"


def is_word(name: str) -> bool:
    """Return whether `name` can be a cell's name: a letter, then up to 63 of A-Za-z0-9_-."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name) is not None


@lru_cache(maxsize=KEPT)
def parse_cells(text: str) -> tuple[tuple[Cell, ...], KernelSpec]:
    """Return the cells and the kernel of a notebook's JSON. Nothing is run.

    Code cells may lack a name; `contract.structural_problems` says so.

    Raises:
        InputError: it is not a notebook of format 4, has a raw cell, or too much source.
    """
    notebook = _parse_json(text)
    cells = []
    for position, cell in enumerate(notebook.cells, 1):
        if cell.cell_type not in ("code", "markdown"):
            start = cell.source.strip().partition("\n")[0][:40]
            raise InputError(
                f"cell {position} (it starts {start!r}) is a {cell.cell_type} cell; make it a code "
                "or a markdown cell"
            )
        name, markdown = cell.metadata.get("name", ""), cell.cell_type == "markdown"
        if markdown and not is_word(name):
            name = ""
        cells.append(Cell(name, cell.source, markdown, tuple(cell.metadata.get("tags", ()))))
    spec = notebook.metadata.get("kernelspec")
    kernel = KernelSpec(spec.name, spec.display_name) if spec else KernelSpec()
    return name_markdown(cells), kernel


def _parse_json(text: str) -> nbformat.NotebookNode:
    """Return the notebook, valid but for cell ids, which the kit does not use."""
    try:
        raw = msgspec.json.decode(text, type=dict)  # refuses half characters, which json reads
        if raw.get("nbformat") != 4:
            raise InputError(
                f"notebook format {str(raw.get('nbformat'))[:20]}; open it in JupyterLab and save "
                "it as format 4"
            )
        nbformat.validate(raw, version=4, version_minor=0, relax_add_props=True)
    except nbformat.ValidationError as error:
        problem = f"{error.json_path}: {error.message}"
        raise InputError(f"not a notebook: {problem[:200]}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"not a notebook: {error}") from error
    notebook: nbformat.NotebookNode = nbformat.v4.to_notebook_json(raw)
    if (language := _language(notebook)) not in ("", "python"):
        raise InputError(f"its language is {language[:20]!r}; the kit runs notebooks of Python")
    size = sum(len(cell.source.encode()) for cell in notebook.cells)
    if size > SOURCE_LIMIT:
        raise InputError(
            f"its cells hold {size:,} bytes; at most {SOURCE_LIMIT:,} are read: move data into the "
            "corpus, and images out of the source"
        )
    return notebook


def _language(notebook: nbformat.NotebookNode) -> str:
    """Return the language that a notebook says it is in; empty if it does not."""
    told = notebook.metadata.get("language_info", {}).get("name")
    return str(told or notebook.metadata.get("kernelspec", {}).get("language", "")).lower()


def name_markdown(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Name each nameless markdown cell after the code cell that follows, so that its id stays."""
    named: list[Cell] = []
    taken = {cell.name for cell in cells}
    for position, cell in enumerate(cells):
        if cell.markdown and not cell.name:
            following = next((c.name for c in cells[position:] if not c.markdown), "end")
            stem = f"about-{following}"[:60]
            names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
            cell = replace(cell, name=next(name for name in names if name not in taken))
            taken.add(cell.name)
        named.append(cell)
    return tuple(named)


@lru_cache(maxsize=KEPT)
def write_cells(cells: tuple[Cell, ...], kernel: KernelSpec) -> str:
    """Return the JSON of a notebook (nbformat 4.5) without outputs; a cell's id is its name."""
    spec = {"display_name": kernel.display_name, "language": "python", "name": kernel.name}
    notebook = {
        "cells": [_written(cell) for cell in cells],
        "metadata": {"kernelspec": spec, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return f"{nbformat.v4.writes(nbformat.from_dict(notebook))}\n"


def _written(cell: Cell) -> dict[str, object]:
    """Return a cell as in JSON: nbformat's own functions take longer to check it than to write."""
    tags = {"tags": list(cell.tags)} if cell.tags else {}
    metadata = {"name": cell.name, **tags}
    known = {"source": cell.source, "id": cell.name, "metadata": metadata}
    if cell.markdown:
        return {"cell_type": "markdown", **known}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **known}


def read_text(path: Path) -> str:
    """Return the text of a notebook's file.

    Raises:
        InputError: there is no such file, or it can't be read as UTF-8 text, or is too large.
    """
    try:
        return read_all(path, FILE_LIMIT).decode().replace("\r\n", "\n")
    except FileNotFoundError as error:
        raise InputError(f"no notebook at {path}") from error
    except (OSError, UnicodeDecodeError, InputError) as error:
        raise InputError(f"can't read the notebook {path}: {error}") from error
