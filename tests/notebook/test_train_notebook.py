import json
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from autoresearch_kit.errors import EditError, InputError
from autoresearch_kit.notebook.cells import Cell, CellKind
from autoresearch_kit.notebook.contract import MAX_SOURCE_BYTES
from autoresearch_kit.notebook.diff import cell_diff
from autoresearch_kit.notebook.train_notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, EditAction
from tests.notebook.small import MODEL, cell, cells, text

INSERT, REPLACE, DELETE = EditAction.INSERT, EditAction.REPLACE, EditAction.DELETE


@pytest.fixture
def notebook() -> TrainNotebook:
    return TrainNotebook.parse(text())


def names(notebook: TrainNotebook) -> list[str]:
    return [cell.name for cell in notebook.cells]


def rewritten(notebook: TrainNotebook, name: str, source: str) -> TrainNotebook:
    return notebook.apply([CellEdit(REPLACE, name, source)])


def test_text_is_a_valid_notebook_without_outputs(notebook: TrainNotebook) -> None:
    written = nbformat.reads(notebook.text(), as_version=4)
    nbformat.validate(written)
    assert [c.id for c in written.cells] == names(notebook)
    assert all(not c.outputs and c.execution_count is None for c in written.cells if "outputs" in c)


def test_text_is_laid_out_as_jupyter_does(notebook: TrainNotebook) -> None:
    written = nbformat.reads(notebook.text(), as_version=4)
    assert notebook.text() == nbformat.writes(written) + "\n"


def test_text_round_trips(notebook: TrainNotebook) -> None:
    assert TrainNotebook.parse(notebook.text()) == notebook


def test_prose_is_named_after_the_cell_it_stands_before(notebook: TrainNotebook) -> None:
    assert names(notebook)[:4] == ["about-parameters", "parameters", "setup", "about-config"]


def test_read_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "train.ipynb"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"train\.ipynb: not a Notebook"):
        TrainNotebook.read(path)
    with pytest.raises(InputError, match="no notebook at"):
        TrainNotebook.read(tmp_path / "other.ipynb")


def test_read_refuses_a_folder_and_what_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "binary.ipynb").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "binary.ipynb"):
        with pytest.raises(InputError, match="can't read the notebook"):
            TrainNotebook.read(path)


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
def test_parse_says_what_is_missing(change: object, message: str) -> None:
    found = cells()
    assert callable(change)
    change(found)
    with pytest.raises(InputError, match=message):
        TrainNotebook.parse(text(found))


def test_parse_refuses_an_old_format() -> None:
    with pytest.raises(InputError, match="notebook format 3; open it in JupyterLab"):
        TrainNotebook.parse(json.dumps({"nbformat": 3, "worksheets": []}))


def test_edits_replace_insert_and_delete(notebook: TrainNotebook) -> None:
    edited = notebook.apply(
        [
            CellEdit(REPLACE, "train", "pass"),
            CellEdit(INSERT, "loss", "LOSS = 1", after="model"),
            CellEdit(DELETE, "model"),
        ]
    )
    assert edited.editable == ("config", "loss", "train")
    assert edited.cell("train").source == "pass"
    assert edited.cell("loss") == Cell("loss", "LOSS = 1", CellKind.CODE, ("editable",))


def test_a_deleted_cell_takes_its_prose_along(notebook: TrainNotebook) -> None:
    edited = notebook.apply([CellEdit(DELETE, "model")])
    assert set(names(notebook)) - set(names(edited)) == {"model", "about-model"}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            CellEdit(REPLACE, "modle", ""),
            "no editable cell 'modle'; editable: config, model, train",
        ),
        (CellEdit(REPLACE, "setup", ""), "cell 'setup' is locked; editable: config, model, train"),
        (CellEdit(DELETE, "submit"), "cell 'submit' is locked"),
        (CellEdit(DELETE, "config"), "no editable cell 'config'"),
        (CellEdit(INSERT, "a b", "", "model"), "a new cell can't be named 'a b'"),
        (CellEdit(INSERT, "train", "", "model"), "there is a cell 'train' already"),
        (CellEdit(INSERT, "loss", "", "submit"), "after 'submit'; after: setup, config, model"),
        (CellEdit(INSERT, "loss", ""), "can't insert 'loss' after ''"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(
    notebook: TrainNotebook, edit: CellEdit, message: str
) -> None:
    with pytest.raises(EditError, match=message):
        notebook.apply([edit])


def test_an_unknown_cell_is_named(notebook: TrainNotebook) -> None:
    with pytest.raises(EditError, match="no cell 'x'; cells: parameters, setup, config, model"):
        notebook.cell("x")


def test_constants_are_set_after_the_edits(notebook: TrainNotebook) -> None:
    edited = notebook.apply([CellEdit(REPLACE, "config", "RATE = 1.0\n")], {"RATE": 0.5})
    assert edited.constants() == {"RATE": 0.5}


def test_relocked_lays_the_baselines_locked_cells_again(notebook: TrainNotebook) -> None:
    changed = [replace(c, source="cheat") if c.locked else c for c in notebook.cells]
    unlocked = [replace(c, tags=("editable",)) for c in changed if c.name != "setup"]
    extra = Cell("extra", "pass", CellKind.CODE, ("locked",))
    for tampered in (changed, unlocked, [*notebook.cells[::-1]], [extra, *notebook.cells, extra]):
        relocked = TrainNotebook(tuple(tampered)).relocked(notebook)
        assert [c for c in relocked.cells if c.locked] == [c for c in notebook.cells if c.locked]
        assert names(relocked).index("setup") < names(relocked).index("config")
        assert [c.name for c in relocked.cells if not c.markdown][-1] == "submit"


def test_relocked_keeps_an_honest_notebook(notebook: TrainNotebook) -> None:
    edited = notebook.apply([CellEdit(INSERT, "loss", "LOSS = 1", after="setup")])
    assert edited.relocked(notebook) == edited


def test_relocked_does_not_trust_a_locked_tag(notebook: TrainNotebook) -> None:
    cells = tuple(replace(c, tags=("locked",)) if c.editable else c for c in notebook.cells)
    assert TrainNotebook(cells).relocked(notebook) == notebook


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ny = (", "cell 'model', line 2: .*never closed"),
        ("x = 1\n  !pip install x", "cell 'model', line 2: shell and magic lines are not allowed"),
        ("%%bash\nls", "line 1: shell and magic"),
        ("files = !ls", "line 1: shell and magic"),
        ("return 1", "line 1: 'return' outside function"),
        ("x = '\0'", "cell 'model'.*null"),
        ("x = " + "+".join(["x"] * 5000), "'model' is not Python: .*recursion"),
    ],
)
def test_check_names_cell_and_line(notebook: TrainNotebook, source: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        rewritten(notebook, "model", source).check()


def test_check_accepts_what_runs(notebook: TrainNotebook) -> None:
    notebook.check()
    rewritten(notebook, "model", 'x = (7\n  % 2)\ny = "\\d"\nz = x is 1').check(notebook)


@pytest.mark.parametrize("source", [MODEL, MODEL + "\n# faster\n", MODEL.replace("Twice", "2")])
def test_check_refuses_no_change(notebook: TrainNotebook, source: str) -> None:
    with pytest.raises(EditError, match="nothing changed"):
        rewritten(notebook, "model", source).check(notebook)


def test_check_caps_the_size(notebook: TrainNotebook) -> None:
    with pytest.raises(EditError, match="at most 200,000: shorten it"):
        rewritten(notebook, "model", "#" * MAX_SOURCE_BYTES).check()


def test_check_refuses_a_misspelt_range(notebook: TrainNotebook) -> None:
    with pytest.raises(EditError, match=r"the range of A = 1, '1\.\.x'"):
        rewritten(notebook, "config", "A = 1  # a; 1..x").check()


def test_nodes_count_code_only(notebook: TrainNotebook) -> None:
    def nodes(source: str) -> int:
        return (
            rewritten(notebook, "model", source).nodes() - rewritten(notebook, "model", "").nodes()
        )

    assert nodes("x = 1") == 3
    assert nodes("x = -1  # minus one") == 3
    assert nodes('"""Long."""\nx = 1000') == 3
    assert nodes('def f():\n    """Doc."""') == nodes("def f():\n    pass")
    assert nodes("x = y + 1") > nodes("x = y")


@pytest.mark.parametrize(
    "kept", ["x = {!r}", "x = {!r}.encode()", "x = f'{{y}}' {!r}", "x = b{!r}"]
)
def test_code_in_a_string_is_no_less_code(notebook: TrainNotebook, kept: str) -> None:
    code = "for block in blocks:\n    x = block(norm(x), cos, sin) + x0 * gate[block]\n"
    hidden = rewritten(notebook, "model", kept.format(code))
    assert hidden.nodes() > rewritten(notebook, "model", code).nodes()


def test_code_in_a_number_is_no_less_code(notebook: TrainNotebook) -> None:
    code = "for block in blocks:\n    x = block(norm(x), cos, sin) + x0 * gate[block]\n"
    hidden = rewritten(notebook, "model", f"x = {int.from_bytes(code.encode())}")
    assert hidden.nodes() > rewritten(notebook, "model", code).nodes() - 15


def test_structure_leaves_values_of_constants_out(notebook: TrainNotebook) -> None:
    other = notebook.set_constants({"DEPTH": 3, "WINDOW": "L"})
    assert other.structure() == notebook.structure()
    assert other.code() != notebook.code()


@pytest.mark.parametrize("source", ["DEPTH = 2.0", "WIDTH = 128 * DEPTH", "NEW = 1"])
def test_structure_sees_types_and_other_code(notebook: TrainNotebook, source: str) -> None:
    config = notebook.cell("config").source + source
    assert rewritten(notebook, "config", config).structure() != notebook.structure()


def test_code_is_the_same_however_it_is_cut_or_written(notebook: TrainNotebook) -> None:
    cut = notebook.apply(
        [CellEdit(REPLACE, "model", "x=1"), CellEdit(INSERT, "more", "y = 1e-1", after="model")]
    )
    assert cut.code() == rewritten(notebook, "model", "x = 1  # one\n\ny = (0.10)").code()


def test_code_tells_a_signed_base_from_a_signed_power(notebook: TrainNotebook) -> None:
    plain, grouped = rewritten(notebook, "model", "-1**2"), rewritten(notebook, "model", "(-1)**2")
    assert plain.code() != grouped.code()


def test_diff_shows_changed_added_and_removed_cells(notebook: TrainNotebook) -> None:
    edited = notebook.apply(
        [
            CellEdit(INSERT, "loss", "LOSS = 1", after="config"),
            CellEdit(DELETE, "model"),
            CellEdit(REPLACE, "train", "pass"),
        ]
    )
    diff = cell_diff(notebook, edited)
    assert [(d.cell, d.change) for d in diff] == [
        ("model", "removed"),
        ("loss", "added"),
        ("train", "changed"),
    ]
    assert "+LOSS = 1" in diff[1].lines


def test_diff_shows_itself(notebook: TrainNotebook) -> None:
    diff = cell_diff(notebook, rewritten(notebook, "train", 'x = "<b>```"'))
    assert str(diff).startswith("train (changed)\n@@")
    assert "+x = &quot;&lt;b&gt;```&quot;</span>" in diff._repr_html_()
    assert "````diff\n" in diff._repr_markdown_()
    assert str(cell_diff(notebook, notebook)) == "no cell differs"
