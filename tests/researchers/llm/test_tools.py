"""Calls of the edit tools, as a model writes them."""

import json
from pathlib import Path

import pytest

from autoresearch_kit.errors import EditError
from autoresearch_kit.researchers.llm.draft import Draft, Submitted
from autoresearch_kit.researchers.llm.messages import Tool
from autoresearch_kit.researchers.llm.tools import BY_NAME, TOOLS, call
from tests.researchers.llm.night import Night, make_night


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return make_night(Path(tmp_path_factory.mktemp("night")) / "project")


@pytest.fixture
def draft(night: Night) -> Draft:
    return night.draft()


def do(draft: Draft, name: str, /, **arguments: object) -> str | Submitted:
    return call(draft, name, json.dumps(arguments))


def test_the_tools_are_those_of_the_issue() -> None:
    assert [tool.name for tool in TOOLS] == [
        "read_notebook",
        "read_cell",
        "edit_cell",
        "replace_cell",
        "insert_cell",
        "delete_cell",
        "set_constants",
        "read_experiment",
        "read_curve",
        "probe",
        "submit",
    ]


@pytest.mark.parametrize("tool", TOOLS, ids=[tool.name for tool in TOOLS])
def test_a_schema_describes_each_argument_of_an_object(tool: Tool) -> None:
    schema = json.loads(json.dumps(tool.parameters))
    assert schema["type"] == "object"
    assert all(one["description"] for one in schema["properties"].values())
    assert schema["required"] == list(schema["properties"])


@pytest.mark.parametrize("name", BY_NAME)
def test_each_example_has_the_right_form(name: str) -> None:
    example = BY_NAME[name].example
    schema = next(tool.parameters for tool in TOOLS if tool.name == name)
    assert list(json.loads(example)) == schema["required"]


def test_each_edit_tool_works_and_the_draft_is_submitted(draft: Draft) -> None:
    do(draft, "edit_cell", cell="config", old="WIDTH = 8", new="WIDTH = 9")
    do(draft, "replace_cell", cell="train", source="x = 1")
    do(draft, "insert_cell", after="model", name="ema", source="y = 1")
    do(draft, "insert_cell", after="model", name="gone", source="z = 1")
    do(draft, "delete_cell", cell="gone")
    do(draft, "set_constants", values={"RATE": 1, "BATCH": 2.0})
    submitted = do(draft, "submit", idea="all", hypothesis="h", category="other")
    assert isinstance(submitted, Submitted)
    assert [edit.cell for edit in submitted.edits] == ["ema", "train"]
    assert submitted.constants == {"RATE": 1.0, "BATCH": 2, "WIDTH": 9}


def test_reading_tools_answer(draft: Draft) -> None:
    assert "BATCH = 8" in str(do(draft, "read_cell", cell="config"))
    assert "idea:" in str(do(draft, "read_experiment", number=2))


@pytest.mark.parametrize("arguments", ["", " ", "{}"])
def test_a_tool_without_arguments_takes_nothing_in_any_form(draft: Draft, arguments: str) -> None:
    assert "# cell model" in str(call(draft, "read_notebook", arguments))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("read_cell", '{"cell": "mod', "can't be read: Input data was truncated"),
        ("read_cell", "{}", "missing required field `cell`"),
        ("read_cell", '{"cell": "model", "line": 3}', "unknown field `line`"),
        ("read_cell", '{"cell": 3}', r"Expected `str`, got `int` - at `\$.cell`"),
        ("read_cell", "", "missing required field `cell`"),
        ("read_cell", "\ud800", "can't be read"),
        ("set_constants", '{"values": {"BATCH": [1]}}', "got `array`"),
        ("set_constants", '{"values": {"BATCH": null}}', "got `null`"),
    ],
)
def test_bad_arguments_are_answered_with_the_right_form(
    draft: Draft, name: str, arguments: str, message: str
) -> None:
    with pytest.raises(EditError, match=message) as caught:
        call(draft, name, arguments)
    assert f"write them like {BY_NAME[name].example}" in str(caught.value)


def test_an_unknown_tool_is_answered_with_all(draft: Draft) -> None:
    with pytest.raises(EditError, match="no tool 'edit'; there are: read_notebook, read_cell"):
        call(draft, "edit", "{}")
