"""Fenced blocks become the calls that a model with function calling would have made."""

import json

import pytest

from autoresearch_kit.errors import EditError
from autoresearch_kit.researchers.llm.blocks import INSTRUCTIONS, parse
from autoresearch_kit.researchers.llm.tools import BY_NAME

HUNK = "<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n"


def one(text: str) -> tuple[str, object]:
    (call,) = parse(text)
    return call.name, json.loads(call.arguments)


def block(head: str, body: str) -> str:
    return f"Some words.\n\n```{head}\n{body}```\nMore words.\n"


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        (block("read_notebook", ""), "read_notebook", {}),
        (block("read_cell model", ""), "read_cell", {"cell": "model"}),
        (block("read_experiment 7", ""), "read_experiment", {"number": 7}),
        (block("read_curve 7", ""), "read_curve", {"number": 7}),
        (block("delete_cell model", ""), "delete_cell", {"cell": "model"}),
        (
            block("replace_cell model", "x = 1\n\ny = 2\n"),
            "replace_cell",
            {"cell": "model", "source": "x = 1\n\ny = 2"},
        ),
        (
            block("insert_cell ema after=model", "x = 1\n"),
            "insert_cell",
            {"name": "ema", "after": "model", "source": "x = 1"},
        ),
        (
            block("set_constants", 'A = 3  # three\nB = -0.5\nC = "a#b"\nD = True\n'),
            "set_constants",
            {"values": {"A": 3, "B": -0.5, "C": "a#b", "D": True}},
        ),
        (
            block("edit_cell model", HUNK.format("  old\n\n", "  new\n")),
            "edit_cell",
            {"cell": "model", "old": "  old\n", "new": "  new"},
        ),
        (
            block("submit schedule", "Idea: warm up\nHypothesis: it is\ncalmer.\n"),
            "submit",
            {"idea": "warm up", "hypothesis": "it is\ncalmer.", "category": "schedule"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value in BY_NAME else "",
)
def test_a_block_is_a_call(text: str, name: str, arguments: object) -> None:
    assert one(text) == (name, arguments)


def test_text_may_be_deleted() -> None:
    assert one(block("edit_cell m", HUNK.format("old\n", "")))[1] == {
        "cell": "m",
        "old": "old",
        "new": "",
    }


def test_several_blocks_are_calls_in_order() -> None:
    calls = parse(block("read_notebook", "") + block("read_cell model", ""))
    assert [(call.id, call.name) for call in calls] == [
        ("block-0", "read_notebook"),
        ("block-1", "read_cell"),
    ]


def test_several_hunks_in_a_block_are_a_call_each() -> None:
    calls = parse(block("edit_cell m", HUNK.format("a\n", "b\n") + HUNK.format("c\n", "d\n")))
    assert [json.loads(call.arguments)["old"] for call in calls] == ["a", "c"]


def test_a_longer_fence_holds_shorter_ones() -> None:
    text = "````replace_cell m\n'''\n```\nx\n```\n'''\n````\n"
    assert one(text)[1] == {"cell": "m", "source": "'''\n```\nx\n```\n'''"}


def test_what_looks_like_a_call_within_a_block_is_its_text() -> None:
    text = '```replace_cell m\nDOC = """\n  ```edit_cells x\n  ~~~delete_cell y\n"""\n```\n'
    assert one(text)[0] == "replace_cell"


def test_other_blocks_are_text() -> None:
    assert parse("  ```Python\n  x = 1\n  ```\n~~~\ny\n~~~\n") == []
    assert parse("```python\nx = 1\n```\nand\n```\ny\n```\n") == []


def test_windows_line_ends_are_read() -> None:
    assert one("```replace_cell m\r\nx\r\ny\r\n```\r\n")[1] == {"cell": "m", "source": "x\ny"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```edit_cell m\nabc\n```", "has not the form '<<<<<<< SEARCH', old text, '======='"),
        (block("edit_cell m", HUNK.format("a\n", "b\n") + "rest\n"), "has not the form"),
        ("```replace_cell m\nx = 1\n", "'```replace_cell m' is not closed: its first line holds"),
        ("```read_cell m```", "is not closed: its first line holds the tool's name"),
        (
            "```replace_cell m\nx = 1\n```read_notebook\n```\n",
            "'```replace_cell' is not closed before '```read_notebook'; end it",
        ),
        (block("insert_cell ema", "x\n"), "needs a name and a place: ```insert_cell NAME after="),
        (block("set_constants", "A: 3\n"), "can't take 'A: 3'; write lines of NAME = value"),
        (block("set_constants", "A = f(3)\n"), r"can't take 'A = f\(3\)'; write lines of NAME"),
        (block("set_constants", "A = \n"), "set_constants can't be read: .*; write lines of"),
        (block("set_constants", "A = 2j\n"), "can't take 'A = 2j'"),
        (block("read_experiment seven", ""), "needs a number: ```read_experiment 7"),
        (block("read_experiment " + "9" * 5000, ""), "needs a number: ```read_experiment 7"),
        (block("set_constants", "A = {[]: 1}\n"), r"can't take 'A = \{\[\]: 1\}'"),
        (block("set_constants", f"A = {'-' * 30_000}1\n"), "set_constants can't be read: "),
        (block("edit_cells m", "A = 3\n"), "no tool 'edit_cells'; the instructions show"),
        (
            "- first:\n  ```delete_cell m\n  ```\n",
            "'```delete_cell m' is not read: begin its first",
        ),
        ("~~~delete_cell m\n~~~\n", "begin its first line with ```delete_cell, without"),
        (block("Delete_cell m", ""), "begin its first line with ```delete_cell, without"),
        (block("read_curve", ""), "read_curve needs a number: ```read_curve 7"),
    ],
)
def test_a_malformed_block_is_answered_with_the_right_form(text: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        parse(text)


def test_a_malformed_block_takes_the_good_ones_with_it_and_says_so() -> None:
    with pytest.raises(EditError, match="No block of this reply was carried out: send all again"):
        parse(block("delete_cell ema", "") + block("set_constants", "A: 3\n"))


def test_the_instructions_show_every_tool_in_a_form_that_is_read() -> None:
    assert {call.name for call in parse(INSTRUCTIONS)} == set(BY_NAME)
