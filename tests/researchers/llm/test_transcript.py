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


@pytest.mark.parametrize(
    ("key", "text", "written"),
    [
        (KEY, f"KeyError: {KEY} and sk-abcdefghijkl", "KeyError: [secret] and [secret]"),
        ('pla"nted-01234', 'it is pla"nted-01234', "it is [secret]"),
        ("planted\\01234", "it is planted\\01234", "it is [secret]"),
        ("plant\u00e9d-01234", "it is plant\u00e9d-01234", "it is [secret]"),
        (KEY, '{"Authorization": "Bearer abcdefgh"}', '{"Authorization": "Bearer [secret]"}'),
    ],
)
def test_secrets_are_not_written(path: Path, key: str, text: str, written: str) -> None:
    Transcript(path, Scrubber(key)).add_reply(Reply(text, (ToolCall("c", "edit", text),)))
    [line] = read_transcript(path)
    assert (line.text, line.calls[0].arguments) == (written, written)


def test_what_a_model_says_cannot_steer_the_terminal(path: Path) -> None:
    call = ToolCall("c", "read", "\x1b]0;title\x07")
    Transcript(path, Scrubber(KEY)).add_reply(Reply("a\x1b[2J\n\tb\x9b31m\r", (call,)))
    shown = render(read_transcript(path))
    assert "\n\tb" in shown
    assert not set("\x1b\x07\x9b\r") & set(shown)
