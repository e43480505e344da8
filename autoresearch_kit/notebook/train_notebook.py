"""The training notebook as a value: cells by name, edits, constants, and what counts as its code.

The cells `parameters`, `setup` and `submit` are locked, and re-laid from the baseline before each
run; `config` and at least one more are editable, and stand between `setup` and `submit`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from autoresearch_kit.notebook.contract import CONFIG, size_problem, structural_problems
from autoresearch_kit.notebook.names import undefined_names
from autoresearch_kit.notebook.refusals import find_refusals
from autoresearch_kit.notebook.syntax import count_nodes, digest, parse_cell
from autoresearch_kit.records import CellEdit, Constant, EditAction


@dataclass(frozen=True)
class TrainNotebook:
    """A training notebook; every change makes a new one. `cells` are in order, prose among them."""

    cells: tuple[Cell, ...]
    kernel: KernelSpec = field(default_factory=KernelSpec)

    @classmethod
    def read(cls, path: Path) -> "TrainNotebook":
        """The training notebook in a file.

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
        """The training notebook in a notebook's JSON.

        Raises:
            InputError: a needed cell is missing, or one has no name, a name twice, or wrong tags.
        """
        cells, kernel = parse_cells(text)
        if problem := next(structural_problems(cells), ""):
            raise InputError(problem)
        return cls(cells, kernel)

    def text(self) -> str:
        """The notebook as JSON (nbformat 4.5): sources only, and always the same for the same."""
        return write_cells(self.cells, self.kernel)

    def cell(self, name: str) -> Cell:
        """The cell of that name.

        Raises:
            EditError: there is none.
        """
        for cell in self.cells:
            if cell.name == name:
                return cell
        raise EditError(f"no cell {name!r}; cells: {', '.join(self._code_names())}")

    @property
    def editable(self) -> tuple[str, ...]:
        """The names of the editable cells, in order."""
        return tuple(cell.name for cell in self.cells if cell.editable)

    def apply(
        self, edits: Sequence[CellEdit] = (), constants: Mapping[str, Constant] | None = None
    ) -> "TrainNotebook":
        """The notebook with the edits made in turn, and then the constants set in `config`.

        A deleted cell takes the prose right before it along.

        Raises:
            EditError: an edit doesn't fit; the message names the cell and what there is.
        """
        notebook = self
        for edit in edits:
            notebook = _EDITS[edit.action](notebook, edit)
        if problem := next(structural_problems(notebook.cells), ""):
            raise EditError(problem)
        return notebook.set_constants(constants) if constants else notebook

    def relocked(self, baseline: "TrainNotebook") -> "TrainNotebook":
        """This notebook with the baseline's locked cells, in the baseline's order, and no others.

        Every other cell keeps its place after the locked cell that it followed; code that would
        run before `setup` or after `submit` is moved between them.
        """
        locked = [cell for cell in baseline.cells if cell.locked]
        names = [cell.name for cell in locked]
        setup, submit = names.index("setup"), names.index("submit")
        after: list[list[Cell]] = [[] for _ in range(len(locked) + 1)]
        place = 0
        for cell in self.cells:
            if cell.name in names:
                place = names.index(cell.name) + 1
            elif cell.markdown:
                after[place].append(cell)
            else:
                after[min(max(place, setup + 1), submit)].append(replace(cell, tags=(EDITABLE,)))
        cells = list(after[0])
        for cell, following in zip(locked, after[1:], strict=True):
            cells += [cell, *following]
        return replace(self, cells=tuple(cells))

    def check(self, parent: "TrainNotebook | None" = None) -> None:
        """Look whether the editable cells can be run at all, and differ from the parent's.

        Raises:
            EditError: a syntax error, a shell or magic line, a misspelt range, too much text, a
                name that no cell defines, a seed that is no function of SEED, or code in text
                (where the parent does not have the same), or the same code as the parent's; the
                message names cell and line.
        """
        if problem := size_problem(self.cells):
            raise EditError(problem)
        for cell in self._editable_cells():
            parse_cell(cell.name, cell.source)
        self.constant_specs()
        if parent is None:
            return
        if self.code() == parent.code():
            raise EditError("nothing changed: this is the parent's code, comments aside")
        self._check_names(parent)
        self._check_refusals(parent)

    def _check_names(self, parent: "TrainNotebook") -> None:
        lacking = {one.name for one in undefined_names(parent.cells)}
        for one in undefined_names(self.cells):
            if one.name not in lacking:
                raise EditError(str(one))

    def _check_refusals(self, parent: "TrainNotebook") -> None:
        known = {one.code for one in find_refusals(parent.cells)}
        for one in find_refusals(self.cells):
            if one.code not in known:
                raise EditError(str(one))

    def constants(self) -> dict[str, Constant]:
        """The values of the CAPITAL constants in `config`, by name.

        Raises:
            EditError: `config` has a syntax error.
        """
        return constant_values(self.cell(CONFIG).source)

    def constant_specs(self) -> dict[str, ConstantSpec]:
        """The CAPITAL constants in `config` with their comments and ranges, by name.

        Raises:
            EditError: `config` has a syntax error, or a range is misspelt.
        """
        return constant_specs(self.cell(CONFIG).source)

    def set_constants(self, values: Mapping[str, Constant]) -> "TrainNotebook":
        """The notebook with these literals in `config` changed, their comments and layout kept.

        Raises:
            EditError: there is no such constant, or the value is not of its type.
        """
        return self._with_source(CONFIG, set_constants(self.cell(CONFIG).source, values))

    def nodes(self) -> int:
        """The number of syntax-tree nodes of the editable cells: how much code there is.

        Raises:
            EditError: a cell has a syntax error.
        """
        return count_nodes(parse_cell(cell.name, cell.source) for cell in self._editable_cells())

    def code(self) -> str:
        """A digest of the editable cells' code: the same for notebooks that do the same thing.

        Raises:
            EditError: a cell has a syntax error.
        """
        return digest(parse_cell(cell.name, cell.source) for cell in self._editable_cells())

    def structure(self) -> str:
        """A digest of the editable cells' code with the values of the constants left out.

        Raises:
            EditError: a cell has a syntax error.
        """
        trees = ((c.name, parse_cell(c.name, c.source)) for c in self._editable_cells())
        return digest(without_values(tree) if name == CONFIG else tree for name, tree in trees)

    def _editable_cells(self) -> Iterator[Cell]:
        return (cell for cell in self.cells if cell.editable)

    def _code_names(self) -> list[str]:
        return [cell.name for cell in self.cells if not cell.markdown]

    def _with_source(self, name: str, source: str) -> "TrainNotebook":
        cells = (replace(c, source=source) if c.name == name else c for c in self.cells)
        return replace(self, cells=tuple(cells))

    def _editable_at(self, name: str) -> int:
        for at, cell in enumerate(self.cells):
            if cell.name == name and cell.editable:
                return at
        state = "is locked" if name in self._code_names() else ""
        said = f"cell {name!r} {state}" if state else f"no editable cell {name!r}"
        raise EditError(f"{said}; editable: {', '.join(self.editable)}")


def _replace(notebook: TrainNotebook, edit: CellEdit) -> TrainNotebook:
    notebook._editable_at(edit.cell)
    return notebook._with_source(edit.cell, edit.source)


def _insert(notebook: TrainNotebook, edit: CellEdit) -> TrainNotebook:
    if not is_word(edit.cell):
        raise EditError(f"a new cell can't be named {edit.cell!r}; a name is one word, like 'loss'")
    if any(cell.name == edit.cell for cell in notebook.cells):
        raise EditError(f"there is a cell {edit.cell!r} already; replace it, or use another name")
    places = ("setup", *notebook.editable)
    if edit.after not in places:
        raise EditError(
            f"can't insert {edit.cell!r} after {edit.after!r}; after: {', '.join(places)}"
        )
    at = 1 + next(i for i, cell in enumerate(notebook.cells) if cell.name == edit.after)
    cells = (*notebook.cells[:at], Cell(edit.cell, edit.source), *notebook.cells[at:])
    return replace(notebook, cells=cells)


def _delete(notebook: TrainNotebook, edit: CellEdit) -> TrainNotebook:
    at = notebook._editable_at(edit.cell)
    start = at - 1 if notebook.cells[at - 1].markdown else at
    return replace(notebook, cells=notebook.cells[:start] + notebook.cells[at + 1 :])


_EDITS: Mapping[EditAction, Callable[[TrainNotebook, CellEdit], TrainNotebook]] = {
    EditAction.REPLACE: _replace,
    EditAction.INSERT: _insert,
    EditAction.DELETE: _delete,
}
