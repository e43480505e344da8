"""Messages are kept in order, without secrets, and can't steer a terminal."""

from pathlib import Path

import pytest

from autoresearch_kit.records import Usage
from autoresearch_kit.researchers.llm.answer import Reply, ToolCall
from autoresearch_kit.researchers.llm.scrubber import Scrubber
from autoresearch_kit.researchers.llm.transcript import Transcript, read_transcript, render

KEY = "planted-0123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transcripts" / "0001.jsonl"


def test_what_was_said_is_read_out_in_order(path: Path) -> None:
    transcript = Transcript(path, Scrubber(KEY))
    call = ToolCall("c", "read", '{"what": "model"}')
    reply = Reply("let me see", (call,), truncated=True, refusal="no", usage=Usage(1, 10, 5))
    sent = {"role": "user", "content": "make it better"}
    transcript.add_sent([sent])  # type: ignore[list-item]
    transcript.add_reply(reply)
    answer = {"role": "tool", "content": "x = 1", "tool_call_id": "c"}
    transcript.add_sent([sent, reply.message(), answer])  # type: ignore[list-item]
    transcript.note("no connection")
    lines = read_transcript(path)
    assert [(line.role, line.text) for line in lines] == [
        ("user", "make it better"),
        ("assistant", "let me see\n[refused: no]\n[cut off at its length limit]"),
        ("tool", "x = 1"),
        ("kit", "no connection"),
    ]
    assert lines[1].calls == (call,)
    assert 'read {"what": "model"}' in render(lines)
    assert "10 tokens in" in render(lines)


@pytest.mark.parametrize("key", [KEY, 'pla"nted-01234', "planted\\01234", "plant\u00e9d-01234"])
def test_secrets_are_not_written(path: Path, key: str) -> None:
    said = f"KeyError: {key} and sk-abcdefghijkl"
    Transcript(path, Scrubber(key)).add_reply(Reply(said, (ToolCall("c", "edit", said),)))
    [line] = read_transcript(path)
    assert line.text == line.calls[0].arguments == "KeyError: [secret] and [secret]"


def test_what_a_model_says_cannot_steer_the_terminal(path: Path) -> None:
    call = ToolCall("c", "read", "\x1b]0;title\x07")
    Transcript(path, Scrubber(KEY)).add_reply(Reply("a\x1b[2J\n\tb\x9b31m\r", (call,)))
    shown = render(read_transcript(path))
    assert "\n\tb" in shown
    assert not set("\x1b\x07\x9b\r") & set(shown)


@pytest.mark.parametrize(
    ("secrets", "text", "scrubbed"),
    [
        ([KEY], f"{KEY}, x{KEY}y", "[secret], x[secret]y"),
        (["abcdef", "abcdefghi"], "abcdefghi abcdef", "[secret] [secret]"),
        ([], "api_key='sk-proj-abc_def-123456789'", "api_key='[secret]'"),
        ([], "Authorization: Bearer abcd.efgh/1=", "Authorization: Bearer [secret]"),
        ([], '{"Authorization": "Bearer abcdefgh"}', '{"Authorization": "Bearer [secret]"}'),
        ([], "http://user:hunter2@host/v1", "http://[secret]@host/v1"),
    ],
)
def test_secrets_are_scrubbed_wherever_they_stand(
    secrets: list[str], text: str, scrubbed: str
) -> None:
    assert Scrubber(*secrets).scrub(text) == scrubbed


@pytest.mark.parametrize(
    "text",
    ["risk-adjusted rate of a task-scheduler", "Bearer of bad news", "http://host:80/v1", "none"],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Scrubber("none").scrub(text) == text
