"""Fenced blocks become the calls that a model with function calling would have made."""

import json

import pytest

from autoresearch_kit.errors import EditError
from autoresearch_kit.researchers.llm.blocks import BLOCKS, instructions, parse

HUNK = "<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n"


def block(head: str, body: str = "") -> str:
    return f"Some words.\n\n```{head}\n{body}```\nMore words.\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (block("read model"), {"what": "model"}),
        (block("read 7"), {"what": "7"}),
        (block("Read"), {"what": "notebook"}),
        (block("probe"), {}),
        (
            block("write_cell model", "x = 1\n\ny = 2\n"),
            {"cell": "model", "source": "x = 1\n\ny = 2", "after": ""},
        ),
        (
            block("write_cell ema after=model", "x = 1\n"),
            {"cell": "ema", "source": "x = 1", "after": "model"},
        ),
        ("~~~write_cell m\r\nx\r\ny\r\n~~~\r\n", {"cell": "m", "source": "x\ny", "after": ""}),
        (
            "````write_cell m\n'''\n```read x\n```\n'''\n````\n",
            {"cell": "m", "source": "'''\n```read x\n```\n'''", "after": ""},
        ),
        (
            block("edit_cell model", HUNK.format("  old\n\n", "  new\n")),
            {"cell": "model", "old": "  old\n", "new": "  new"},
        ),
        (block("edit_cell m", HUNK.format("old\n", "")), {"cell": "m", "old": "old", "new": ""}),
        (
            block("submit schedule", "Idea: warm up\nHypothesis: it is\ncalmer.\n"),
            {"idea": "warm up", "hypothesis": "it is\ncalmer.", "category": "schedule"},
        ),
    ],
)
def test_a_block_is_a_call(text: str, expected: object) -> None:
    (call,) = parse(text)
    assert call.name in BLOCKS
    assert json.loads(call.arguments) == expected


def test_blocks_and_hunks_are_calls_in_order() -> None:
    hunks = HUNK.format("a\n", "b\n") + HUNK.format("c\n", "d\n")
    calls = parse(block("read model") + block("edit_cell m", hunks) + "```\n" + block("probe"))
    assert [(call.id, call.name) for call in calls] == [
        ("block-0", "read"),
        ("block-1", "edit_cell"),
        ("block-2", "edit_cell"),
        ("block-3", "probe"),
    ]


@pytest.mark.parametrize(
    "text",
    ["  ```Python\n  x = 1\n  ```\n~~~\ny\n~~~\n", "```python\nx = 1\n```\nand\n```\ny\n```\n"],
)
def test_other_blocks_are_text(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "```edit_cell m\nabc\n```",
            "does not have the form '<<<<<<< SEARCH', old text, '======='",
        ),
        (block("edit_cell m", HUNK.format("a\n", "b\n") + "rest\n"), "does not have the form"),
        ("```write_cell m\nx = 1\n", "'```write_cell m' is not closed: end it with a line of only"),
        ("```write_cell m\nx = 1\n```read y\n```\n", "not closed before '```read y'; end it"),
        ("```python\nx = 1\n```read y\n```\n", "'```python' is not closed before '```read y'"),
        (block("delete_cell m"), "no block 'delete_cell'; the instructions show all"),
        ("- first:\n  ```read m\n  ```\n", "'```read m' is not read: begin its first line with"),
        ("```read m```", "is not read: begin its first line with ```read, without"),
        (block("read m") + block("edit_cell m"), "No block of this reply was carried out: send"),
    ],
)
def test_a_malformed_block_is_answered_with_the_right_form(text: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        parse(text)


def test_the_instructions_show_every_block_as_it_is_read() -> None:
    assert {call.name for call in parse(instructions(may_probe=True))} == set(BLOCKS)
    assert "probe" not in {call.name for call in parse(instructions(may_probe=False))}
