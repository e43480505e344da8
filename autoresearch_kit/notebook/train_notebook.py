"""The training notebook as a value: cells by name, edits, constants, and digests of its code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from autoresearch_kit.errors import EditError, InputError
from autoresearch_kit.notebook.cells import (
    EDITABLE,
    Cell,
    KernelSpec,
    is_word,
    parse_cells,
    read_text,
    write_cells,
)
from autoresearch_kit.notebook.constants import (
    ConstantSpec,
    constant_specs,
    constant_values,
    set_constants,
    without_values,
)
from autoresearch_kit.notebook.contract import (
    CONFIG,
    SETUP,
    SUBMIT,
    size_problem,
    structural_problems,
)
from autoresearch_kit.notebook.refusals import find_refusals, undefined_names
from autoresearch_kit.notebook.syntax import Problem, count_nodes, digest, parse_cell
from autoresearch_kit.records import CellEdit, Constant, EditAction


@dataclass(frozen=True)
class TrainNotebook:
    """A training notebook: code and markdown cells in order. Every change makes a new one.

    `contract` says which cells it must have. Methods that read code raise EditError where a cell
    has a syntax error.
    """

    cells: tuple[Cell, ...]
    kernel: KernelSpec = field(default_factory=KernelSpec)

    @classmethod
    def read(cls, path: Path) -> "TrainNotebook":
        """Return the training notebook in a file.

        Raises:
            InputError: the file can't be read, or is not a training notebook; it says what to do.
        """
        text = read_text(path)
        try:
            return cls.parse(text)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, text: str) -> "TrainNotebook":
        """Return the training notebook in a notebook's JSON.

        Raises:
            InputError: a needed cell is missing, or one has no name, a name twice, or wrong tags.
        """
        cells, kernel = parse_cells(text)
        if problem := next(structural_problems(cells), ""):
            raise InputError(problem)
        return cls(cells, kernel)

    def text(self) -> str:
        """Return the JSON (nbformat 4.5), without outputs: equal text for equal notebooks."""
        return write_cells(self.cells, self.kernel)

    def cell(self, name: str) -> Cell:
        """Return the cell of that name; EditError if there is none."""
        for cell in self.cells:
            if cell.name == name:
                return cell
        names = ", ".join(cell.name for cell in self.cells if not cell.markdown)
        raise EditError(f"no cell {name!r}; cells: {names}")

    @property
    def editable(self) -> tuple[str, ...]:
        """Return the names of the editable cells, in order."""
        return tuple(cell.name for cell in self.cells if cell.editable)

    def apply(
        self, edits: Sequence[CellEdit] = (), constants: Mapping[str, Constant] | None = None
    ) -> "TrainNotebook":
        """Return the notebook with the edits made in turn, then the constants set in `config`.

        A deleted cell takes the markdown cell right before it along.

        Raises:
            EditError: an edit doesn't fit; the message names the cell and what there is.
        """
        notebook = self
        for edit in edits:
            notebook = notebook._apply(edit)
        if problem := next(structural_problems(notebook.cells), ""):
            raise EditError(problem)
        return notebook.set_constants(constants) if constants else notebook

    def relocked(self, baseline: "TrainNotebook") -> "TrainNotebook":
        """Return this notebook with the baseline's locked cells, in their order, and no others.

        Every other cell stays behind the locked cell that it followed; code that would run before
        `setup` or after `submit` is moved between them.
        """
        locked = [cell for cell in baseline.cells if cell.locked]
        names = [cell.name for cell in locked]
        setup, submit = names.index(SETUP), names.index(SUBMIT)
        following: list[list[Cell]] = [[] for _ in range(len(locked) + 1)]
        position = 0
        for cell in self.cells:
            if cell.name in names:
                position = names.index(cell.name) + 1
            elif cell.markdown:
                following[position].append(cell)
            else:
                between = min(max(position, setup + 1), submit)
                following[between].append(replace(cell, tags=(EDITABLE,)))
        cells = list(following[0])
        for cell, others in zip(locked, following[1:], strict=True):
            cells += [cell, *others]
        return replace(self, cells=tuple(cells))

    def check(self, parent: "TrainNotebook | None" = None) -> None:
        """Check that the editable cells can be run at all, and differ from the parent's.

        Raises:
            EditError: a syntax error, a shell or magic line, a misspelt range, or too much text.
                With a parent also: the same code as the parent's, or, where the parent has not the
                same, a name that no cell defines, a seed that is no function of SEED, or code in
                text. The message names cell and line.
        """
        if too_large := size_problem(self.cells):
            raise EditError(too_large)
        code = self.code()
        self.constant_specs()
        if parent is None:
            return
        if code == parent.code():
            raise EditError("nothing changed: this is the parent's code, comments aside")
        for problems, before in zip(_problems(self.cells), _problems(parent.cells), strict=True):
            known = {problem.code for problem in before}
            for problem in problems:
                if problem.code not in known:
                    raise EditError(str(problem))

    def constants(self) -> dict[str, Constant]:
        """Return the values of the CAPITAL constants in `config`, by name."""
        return constant_values(self.cell(CONFIG).source)

    def constant_specs(self) -> dict[str, ConstantSpec]:
        """Return the CAPITAL constants in `config` with their comments and ranges, by name.

        Raises:
            EditError: `config` has a syntax error, or a range is misspelt.
        """
        return constant_specs(self.cell(CONFIG).source)

    def set_constants(self, values: Mapping[str, Constant]) -> "TrainNotebook":
        """Return the notebook with these literals in `config` changed, all other text kept.

        Raises:
            EditError: there is no such constant, or the value is not of its type.
        """
        return self._with_source(CONFIG, set_constants(self.cell(CONFIG).source, values))

    def nodes(self) -> int:
        """Return how much code there is: the number of syntax-tree nodes of the editable cells."""
        return count_nodes(parse_cell(name, self.cell(name).source) for name in self.editable)

    def code(self) -> str:
        """Return a digest of the editable cells' code: equal for notebooks that do the same."""
        return digest(parse_cell(name, self.cell(name).source) for name in self.editable)

    def structure(self) -> str:
        """Return a digest of the editable cells' code with the constants' values left out."""
        trees = {name: parse_cell(name, self.cell(name).source) for name in self.editable}
        return digest(without_values(t) if name == CONFIG else t for name, t in trees.items())

    def _apply(self, edit: CellEdit) -> "TrainNotebook":
        if edit.action is EditAction.INSERT:
            return self._insert(edit)
        if edit.cell not in self.editable:
            locked = any(cell.name == edit.cell and cell.locked for cell in self.cells)
            problem = (
                f"cell {edit.cell!r} is locked" if locked else f"no editable cell {edit.cell!r}"
            )
            raise EditError(f"{problem}; editable: {', '.join(self.editable)}")
        if edit.action is EditAction.REPLACE:
            return self._with_source(edit.cell, edit.source)
        position = self.cells.index(self.cell(edit.cell))
        start = position - 1 if self.cells[position - 1].markdown else position
        return replace(self, cells=self.cells[:start] + self.cells[position + 1 :])

    def _insert(self, edit: CellEdit) -> "TrainNotebook":
        name = edit.cell
        if not is_word(name):
            raise EditError(f"a new cell can't be named {name!r}; a name is one word, like 'loss'")
        if any(cell.name == name for cell in self.cells):
            raise EditError(f"there is a cell {name!r} already; replace it, or use another name")
        allowed = (SETUP, *self.editable)
        if edit.after not in allowed:
            raise EditError(
                f"can't insert {name!r} after {edit.after!r}; after: {', '.join(allowed)}"
            )
        position = 1 + self.cells.index(self.cell(edit.after))
        cells = (*self.cells[:position], Cell(name, edit.source), *self.cells[position:])
        return replace(self, cells=cells)

    def _with_source(self, name: str, source: str) -> "TrainNotebook":
        cells = (replace(c, source=source) if c.name == name else c for c in self.cells)
        return replace(self, cells=tuple(cells))


@lru_cache(maxsize=8)  # what is edited next has this one, or the best, as its parent
def _problems(cells: tuple[Cell, ...]) -> tuple[Sequence[Problem], Sequence[Problem]]:
    return tuple(undefined_names(cells)), tuple(find_refusals(cells))
