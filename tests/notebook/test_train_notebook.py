from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from autoresearch_kit.errors import EditError, InputError
from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.changes import cell_diff
from autoresearch_kit.notebook.contract import MAX_SOURCE_BYTES
from autoresearch_kit.notebook.train_notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, EditAction
from tests.notebook.small import MODEL, cell, cells, text

INSERT, REPLACE, DELETE = EditAction.INSERT, EditAction.REPLACE, EditAction.DELETE
NOTEBOOK = TrainNotebook.parse(text())
LOOP = "for block in blocks:\n    x = block(norm(x), cos, sin) + x0 * gate[block]\n"


def names(notebook: TrainNotebook) -> list[str]:
    return [cell.name for cell in notebook.cells]


def edited(*edits: CellEdit) -> TrainNotebook:
    return NOTEBOOK.apply(edits)


def rewritten(name: str, source: str) -> TrainNotebook:
    return edited(CellEdit(REPLACE, name, source))


def test_text_is_what_jupyter_writes_without_outputs() -> None:
    written = nbformat.reads(NOTEBOOK.text(), as_version=4)
    assert NOTEBOOK.text() == nbformat.writes(written) + "\n"
    assert [cell.id for cell in written.cells] == names(NOTEBOOK)
    assert names(NOTEBOOK)[:4] == ["about-parameters", "parameters", "setup", "about-config"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in written.cells)
    assert TrainNotebook.parse(NOTEBOOK.text()) == NOTEBOOK


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", r"x\.ipynb: not a notebook: .* truncated"),
        (b"[4]", "not a notebook: Expected `object`, got `array`"),
        (b'{"nbformat": 4}', r"not a notebook: \$: '.*' is a required property"),
        (b'{"nbformat": 3, "worksheets": []}', "notebook format 3; open it in JupyterLab"),
        (b"\xff\xfe\x00", "can't read the notebook"),
        (None, "no notebook at"),
    ],
)
def test_a_file_that_is_no_notebook_is_named(
    data: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.ipynb"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        TrainNotebook.read(path)
    with pytest.raises(InputError, match="can't read the notebook"):
        TrainNotebook.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop(9), "no locked cell 'submit'; it needs a code cell"),
        (lambda c: c.pop(4), "no editable cell 'config'"),
        (lambda c: c.append(c[4]), "two cells are named 'config'"),
        (lambda c: c.insert(5, cell("", "x = 1")), r"cell 6 \(it starts 'x = 1'\) has no name"),
        (lambda c: c.insert(5, cell("a b", "x = 1")), "named 'a b'; a name is one word"),
        (lambda c: c.insert(5, cell("x", "", kind="raw")), "is a raw cell; make it"),
        (lambda c: c.insert(5, cell("x", "")), "'x' must be tagged either 'editable' or 'locked'"),
        (lambda c: c.insert(2, cell("x", "", "editable")), "'x' must stand between 'setup' and"),
        (lambda c: c.insert(1, c.pop(2)), "must stand in this order"),
        (lambda c: [c.pop(8), c.pop(6)], "'config' is the only editable cell"),
    ],
)
def test_parse_says_what_is_missing(
    change: Callable[[list[dict[str, object]]], object], message: str
) -> None:
    changed = cells()
    change(changed)
    with pytest.raises(InputError, match=message):
        TrainNotebook.parse(text(changed))


def test_edits_replace_insert_and_delete_with_markdown() -> None:
    notebook = edited(
        CellEdit(REPLACE, "train", "pass"),
        CellEdit(INSERT, "loss", "LOSS = 1", after="model"),
        CellEdit(DELETE, "model"),
    )
    assert notebook.editable == ("config", "loss", "train")
    assert notebook.cell("train").source == "pass"
    assert notebook.cell("loss") == Cell("loss", "LOSS = 1", tags=("editable",))
    assert set(names(NOTEBOOK)) - set(names(notebook)) == {"model", "about-model"}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (CellEdit(REPLACE, "modle"), "no editable cell 'modle'; editable: config, model, train"),
        (CellEdit(REPLACE, "setup"), "cell 'setup' is locked; editable: config, model, train"),
        (CellEdit(DELETE, "submit"), "cell 'submit' is locked"),
        (CellEdit(DELETE, "config"), "no editable cell 'config'"),
        (CellEdit(INSERT, "a b", "", "model"), "a new cell can't be named 'a b'"),
        (CellEdit(INSERT, "train", "", "model"), "there is a cell 'train' already"),
        (CellEdit(INSERT, "loss", "", "submit"), "after 'submit'; after: setup, config, model"),
        (CellEdit(INSERT, "loss"), "can't insert 'loss' after ''"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(edit: CellEdit, message: str) -> None:
    with pytest.raises(EditError, match=message):
        edited(edit)


def test_constants_are_set_after_the_edits() -> None:
    notebook = NOTEBOOK.apply([CellEdit(REPLACE, "config", "RATE = 1.0\n")], {"RATE": 0.5})
    assert notebook.constants() == {"RATE": 0.5}


def test_relocked_restores_the_baselines_locked_cells() -> None:
    changed = [replace(c, source="cheat") if c.locked else c for c in NOTEBOOK.cells]
    unlocked = [replace(c, tags=("editable",)) for c in changed if c.name != "setup"]
    extra = Cell("extra", "pass", tags=("locked",))
    for tampered in (changed, unlocked, [*NOTEBOOK.cells[::-1]], [extra, *NOTEBOOK.cells, extra]):
        relocked = TrainNotebook(tuple(tampered)).relocked(NOTEBOOK)
        assert [c for c in relocked.cells if c.locked] == [c for c in NOTEBOOK.cells if c.locked]
        assert names(relocked).index("setup") < names(relocked).index("config")
        assert [c.name for c in relocked.cells if not c.markdown][-1] == "submit"


def test_relocked_keeps_edits_but_trusts_no_locked_tag() -> None:
    notebook = edited(CellEdit(INSERT, "loss", "LOSS = 1", after="setup"))
    lying = tuple(replace(c, tags=("locked",)) if c.editable else c for c in notebook.cells)
    assert notebook.relocked(NOTEBOOK) == notebook
    assert TrainNotebook(lying).relocked(NOTEBOOK) == notebook


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("model", "x = 1\ny = (", "cell 'model', line 2: .*never closed"),
        ("model", "x = 1\n  !pip install x", "'model', line 2: shell and magic lines are not all"),
        ("model", "%%bash\nls", "line 1: shell and magic"),
        ("model", "files = !ls", "line 1: shell and magic"),
        ("model", "return 1", "line 1: 'return' outside function"),
        ("model", "x = '\0'", "cell 'model'.*null"),
        ("model", "x = " + "+".join(["x"] * 5000), "'model' is not Python: .*recursion"),
        ("model", "#" * MAX_SOURCE_BYTES, "at most 200,000: shorten it"),
        ("config", "A = 1  # a; 1..x", r"the range of A = 1, '1\.\.x'"),
    ],
)
def test_check_names_the_cell_and_the_line(name: str, source: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        rewritten(name, source).check()


def test_check_accepts_what_runs() -> None:
    NOTEBOOK.check()
    rewritten("model", 'x = (7\n  % 2)\ny = "\\d"\nz = x is 1').check(NOTEBOOK)


@pytest.mark.parametrize("source", [MODEL, MODEL + "\n# faster\n", MODEL.replace("Twice", "2")])
def test_check_refuses_no_change(source: str) -> None:
    with pytest.raises(EditError, match="nothing changed"):
        rewritten("model", source).check(NOTEBOOK)


def nodes(source: str) -> int:
    return rewritten("model", source).nodes() - rewritten("model", "").nodes()


def test_nodes_count_code_only() -> None:
    assert nodes("x = 1") == nodes("x = -1  # minus one") == 3
    assert nodes('"""Long."""\nx = 1000') == 3
    assert nodes('def f():\n    """Doc."""') == nodes("def f():\n    pass")
    assert nodes("x = y + 1") > nodes("x = y")


@pytest.mark.parametrize(
    "kept",
    [
        f"x = {LOOP!r}",
        f"x = f'{{y}}' {LOOP!r}",
        f"x = b{LOOP!r}",
        f"x = {int.from_bytes(LOOP.encode() + b'and more')}",
    ],
)
def test_code_kept_in_a_literal_is_no_less_code(kept: str) -> None:
    assert nodes(kept) > nodes(LOOP) - 15


def test_structure_leaves_values_of_constants_out() -> None:
    other = NOTEBOOK.set_constants({"DEPTH": 3, "WINDOW": "L"})
    assert other.structure() == NOTEBOOK.structure()
    assert other.code() != NOTEBOOK.code()


@pytest.mark.parametrize("source", ["DEPTH = 2.0", "WIDTH = 128 * DEPTH", "NEW = 1"])
def test_structure_sees_types_and_other_code(source: str) -> None:
    config = NOTEBOOK.cell("config").source + source
    assert rewritten("config", config).structure() != NOTEBOOK.structure()


def test_code_is_the_same_however_it_is_cut_or_written() -> None:
    cut = edited(CellEdit(REPLACE, "model", "x=1"), CellEdit(INSERT, "more", "y = 1e-1", "model"))
    assert cut.code() == rewritten("model", "x = 1  # one\n\ny = (0.10)").code()
    assert rewritten("model", "-1**2").code() != rewritten("model", "(-1)**2").code()


def test_digests_stay_the_same_between_versions_of_the_kit() -> None:
    # Campaigns store them, and look for repeated proposals by them.
    assert (NOTEBOOK.structure(), NOTEBOOK.code()) == ("9eb6cfcdf008a847", "9d59ff2f72486810")


def test_diff_shows_changed_added_and_removed_cells() -> None:
    notebook = edited(
        CellEdit(INSERT, "loss", "LOSS = 1", after="config"),
        CellEdit(DELETE, "model"),
        CellEdit(REPLACE, "train", 'x = "<b>"'),
    )
    diff = cell_diff(NOTEBOOK, notebook)
    assert [(d.cell, d.change) for d in diff] == [
        ("model", "removed"),
        ("loss", "added"),
        ("train", "changed"),
    ]
    assert str(diff[1]) == "loss (added)\n@@ -0,0 +1 @@\n+LOSS = 1"
    assert "+x = &quot;&lt;b&gt;&quot;</span>" in diff._repr_html_()
    assert str(cell_diff(NOTEBOOK, NOTEBOOK)) == "no cell differs"
