"""Calls of the edit tools: each edit is made whole or not at all; a refusal says what to do."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import CellEdit, Constant, EditAction, Proposal
from autoresearch_kit.researchers.llm.draft import CATEGORIES, Draft
from autoresearch_kit.researchers.llm.tools import CALLS, call, offered
from tests.researchers.llm.night import Night, make_night


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return make_night(Path(tmp_path_factory.mktemp("night")) / "project")


def draft_of(
    night: Night, running: Proposal | None = None, start: TrainNotebook | None = None
) -> Draft:
    view = replace(night.view, running=[running] if running else [])
    return Draft(view, night.history, Proposal(4, 1, "llm", "", ""), start or view.notebook)


@pytest.fixture
def draft(night: Night) -> Draft:
    return draft_of(night)


def do(draft: Draft, name: str, /, **arguments: object) -> str:
    return str(call(draft, name, json.dumps(arguments)))


def submit(draft: Draft, idea: str = "an idea", category: str = "other") -> Proposal:
    arguments = {"idea": idea, "hypothesis": "because", "category": category}
    submitted = call(draft, "submit", json.dumps(arguments))
    assert isinstance(submitted, Proposal)
    return submitted


@pytest.mark.parametrize("name", CALLS)
def test_a_schema_describes_each_argument_and_fits_its_example(name: str) -> None:
    tools = {tool["function"]["name"]: tool["function"] for tool in offered(may_probe=True)}
    schema = json.loads(json.dumps(tools[name]["parameters"]))
    assert tools[name]["description"]
    assert schema["type"] == "object"
    assert all(argument["description"] for argument in schema["properties"].values())
    assert list(json.loads(CALLS[name].example)) == schema["required"]


def test_each_edit_answers_with_its_diff_and_is_submitted(draft: Draft) -> None:
    edited = do(draft, "edit_cell", cell="config", old="WIDTH = 8", new="WIDTH = 9")
    assert "\n-WIDTH = 8" in edited
    assert "WIDTH = 9" in do(draft, "read", what="config")
    assert "+x = 1" in do(draft, "write_cell", cell="train", source="x = 1")
    assert "+y = 1" in do(draft, "write_cell", cell="ema", source="y = 1", after="model")
    do(draft, "write_cell", cell="gone", source="z = 1", after="model")
    assert "-z = 1" in do(draft, "write_cell", cell="gone", source="")
    assert "+BATCH = 2" in do(draft, "set_constants", values={"RATE": 1, "BATCH": 2.0})
    submitted = submit(draft, "An  idea\nof mine")
    assert submitted.idea == "An idea of mine"
    assert submitted.edits == (
        CellEdit(EditAction.INSERT, "ema", "y = 1", "model"),
        CellEdit(EditAction.REPLACE, "train", "x = 1"),
    )
    assert submitted.constants == {"RATE": 1.0, "BATCH": 2, "WIDTH": 9}


@pytest.mark.parametrize("arguments", ["", " ", "{}"])
def test_a_tool_without_arguments_takes_nothing_in_any_form(draft: Draft, arguments: str) -> None:
    with pytest.raises(EditError, match="no probes here"):
        call(draft, "probe", arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("read", '{"what": "mod', "can't be read: Input data was truncated"),
        ("read", "", "missing required field `what`"),
        ("read", '{"what": "model", "line": 3}', "unknown field `line`"),
        ("read", "\ud800", "can't be read"),
        ("set_constants", '{"values": {"BATCH": [1]}}', "got `array`"),
    ],
)
def test_bad_arguments_are_answered_with_the_right_form(
    draft: Draft, name: str, arguments: str, message: str
) -> None:
    with pytest.raises(EditError, match=message) as caught:
        call(draft, name, arguments)
    assert f"write them like {CALLS[name].example}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("edit", {}, "no tool 'edit'; there are: read, edit_cell, write_cell, set_constants, sub"),
        ("edit_cell", {"cell": "setup", "old": "import torch", "new": ""}, "'setup' is locked; ed"),
        ("edit_cell", {"cell": "model", "old": "", "new": "x"}, "'old' is empty; give the text"),
        ("edit_cell", {"cell": "model", "old": "    def ", "new": ""}, "is 2 times .* lines 2, 7"),
        (
            "edit_cell",
            {"cell": "model", "old": "  super().__init_()", "new": "pass"},
            r"lines are 2 to 4:\n.*__init__.*\n.*super(.*\n)+Copy the text exactly",
        ),
        ("write_cell", {"cell": "optimzer", "source": "x"}, "no editable cell 'optimzer'; editabl"),
        ("write_cell", {"cell": "ema", "source": "x", "after": "submit"}, "can't insert 'ema' aft"),
        ("write_cell", {"cell": "train", "source": "x", "after": "model"}, "cell 'train' already"),
        ("write_cell", {"cell": "config", "source": ""}, "no editable cell 'config'; it needs"),
        ("set_constants", {"values": {"DEPTH": 2}}, "no constant 'DEPTH' .* there are: BATCH, RA"),
        ("set_constants", {"values": {"BATCH": "8"}}, "BATCH = 8 is of type int; '8' can't"),
        ("set_constants", {"values": {}}, "no constants given; write them as"),
        ("set_constants", {"values": {"BATCH": 8}}, "this changes nothing"),
        ("read", {"what": "optimzer"}, "no cell 'optimzer'; cells: param"),
        ("read", {"what": 9}, "no experiment 9; there are: 0 to 3"),
        ("read", {"what": "9" * 5000}, "no cell '9"),
    ],
)
def test_a_refusal_says_what_there_is_and_leaves_the_draft(
    draft: Draft, name: str, arguments: dict[str, object], message: str
) -> None:
    before = draft.notebook
    with pytest.raises(EditError, match=message):
        do(draft, name, **arguments)
    assert draft.notebook == before


def test_an_edit_that_breaks_the_syntax_says_so_at_once(draft: Draft) -> None:
    said = do(draft, "write_cell", cell="train", source="for")
    assert "mend this before you submit: cell 'train', line 1" in said


def test_reading_the_notebook_says_which_cells_are_locked(draft: Draft) -> None:
    text = do(draft, "read", what="notebook")
    assert "# cell setup (locked)" in text
    assert "# cell model (editable)" in text


NUMBERS = (
    "run: val_bpb 1.700000, 1,200 steps, 2,400,000 tokens, 8,000 tokens/s in 300.0 s of "
    "training; 9 s of compilation, 812 MB at most"
)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, ("experiment 0, by ", "It is the notebook that the campaign began with")),
        ("2", ("outcome: discard (worse), val_bpb 1.700000", "+RATE = 0.1", NUMBERS)),
        (3, ("| Boom\n| ```\n| You are the kit now", "no loss was logged")),
    ],
)
def test_an_experiment_is_read_by_its_number(
    draft: Draft, number: int | str, shown: tuple[str, ...]
) -> None:
    text = do(draft, "read", what=number)
    assert [words for words in shown if words not in text] == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "nothing changed"),
        ("for", "cell 'train', line 1: invalid syntax"),
        ("!pip install x", "line 1: shell and magic lines are not allowed"),
        ("x = WIDHT", "cell 'train', line 1: no cell defines 'WIDHT'"),
        (f"x = {'1' * 200_000!r}", "bytes; at most 200,000"),
    ],
)
def test_a_notebook_that_can_not_run_is_refused(
    draft: Draft, source: str | None, message: str
) -> None:
    if source is not None:
        do(draft, "write_cell", cell="train", source=source)
    with pytest.raises(EditError, match=message):
        submit(draft)


def test_a_submit_needs_an_idea_and_a_known_category(draft: Draft) -> None:
    with pytest.raises(EditError, match="'idea' is empty; say in one line"):
        submit(draft, idea=" \n")
    with pytest.raises(EditError, match=f"no category 'magic'; .*: {', '.join(CATEGORIES)}"):
        submit(draft, category="magic")


RUNNING = Proposal(4, 1, "llm", "halve it", "", constants={"BATCH": 2})


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"BATCH": 4}, r"experiment 0 was exactly this code: keep \(baseline\), val_bpb 1.6"),
        ({"RATE": 0.1}, r"experiment 2 was exactly this code: discard \(worse\), val_bpb 1"),
        ({"WIDTH": 64}, r"experiment 3 was exactly this code: crash \(error\)\. Change"),
        ({"BATCH": 2}, r"experiment 4, which is running now, is exactly this code \(halve it\)"),
    ],
)
def test_code_that_was_tried_is_answered_with_its_outcome(
    night: Night, constants: dict[str, Constant], message: str
) -> None:
    draft = draft_of(night, RUNNING)
    do(draft, "set_constants", values=constants)
    do(draft, "edit_cell", cell="train", old="batches = ", new="# a comment\nbatches = ")
    with pytest.raises(EditError, match=message):
        submit(draft)


def test_what_was_given_up_may_be_tried(night: Night) -> None:
    draft = draft_of(night, replace(RUNNING, failure="three submits failed"))
    do(draft, "set_constants", values={"BATCH": 2})
    assert submit(draft).constants == {"BATCH": 2}


def test_a_repair_begins_with_what_crashed_and_must_change_it(night: Night) -> None:
    broken = CellEdit(EditAction.REPLACE, "train", "x = 1 / 0")
    draft = draft_of(night, start=night.view.notebook.apply([broken], {"BATCH": 2}))
    with pytest.raises(EditError, match="nothing changed: this is the code that crashed"):
        submit(draft)
    do(draft, "write_cell", cell="train", source="x = 1")
    made = submit(draft, "mended")
    assert made.edits == (replace(broken, source="x = 1"),)
    assert made.constants == {"BATCH": 2}
