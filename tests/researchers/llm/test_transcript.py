from pathlib import Path

import pytest

from autoresearch_kit.records import Usage
from autoresearch_kit.researchers.llm.messages import Message, Reply, Role, ToolCall
from autoresearch_kit.researchers.llm.secrets import Scrubber
from autoresearch_kit.researchers.llm.transcript import Transcript, read_transcript, render

KEY = "planted-0123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transcripts" / "0001.jsonl"


def test_what_was_said_is_read_out_in_order(path: Path) -> None:
    transcript = Transcript(path, Scrubber(KEY))
    transcript.add(Message(Role.USER, "make it better"))
    call = ToolCall("c", "read_cell", '{"cell": "model"}')
    transcript.add_reply(Reply("let me see", (call,), usage=Usage(1, 10, 5)))
    transcript.note("no connection")
    lines = read_transcript(path)
    assert [(line.role, line.text) for line in lines] == [
        ("user", "make it better"),
        ("assistant", "let me see"),
        ("kit", "no connection"),
    ]
    assert lines[1].calls == (call,)
    assert "read_cell" in render(lines)
    assert "10 tokens in" in render(lines)


def test_a_cut_reply_and_a_refusal_show(path: Path) -> None:
    transcript = Transcript(path, Scrubber(KEY))
    transcript.add_reply(Reply("half", truncated=True, refusal="no"))
    assert "cut off" in read_transcript(path)[0].text
    assert "refused: no" in read_transcript(path)[0].text


def test_secrets_are_not_written(path: Path) -> None:
    transcript = Transcript(path, Scrubber(KEY))
    transcript.add(Message(Role.USER, f"KeyError: {KEY} and sk-abcdefghijkl, Bearer tok.en/1"))
    assert read_transcript(path)[0].text == "KeyError: [secret] and [secret], Bearer [secret]"


@pytest.mark.parametrize("key", ['pla"nted-01234', "planted\\01234", "plant\u00e9d-01234"])
def test_a_secret_that_json_writes_in_another_way_is_not_written(path: Path, key: str) -> None:
    Transcript(path, Scrubber(key)).add(Message(Role.USER, f"it is {key}"))
    assert read_transcript(path)[0].text == "it is [secret]"


def test_a_line_can_be_read_after_a_quoted_secret_was_taken_out(path: Path) -> None:
    sent = Message(Role.USER, 'h = {"Authorization": "Bearer abcdefgh"}')
    Transcript(path, Scrubber(KEY)).add(sent)
    assert read_transcript(path)[0].text == 'h = {"Authorization": "Bearer [secret]"}'


def test_secrets_in_a_call_are_not_written(path: Path) -> None:
    call = ToolCall("c", "edit_cell", f'{{"new": "{KEY}"}}')
    Transcript(path, Scrubber(KEY)).add_reply(Reply("", (call,)))
    assert read_transcript(path)[0].calls[0].arguments == '{"new": "[secret]"}'


def test_what_a_model_says_cannot_steer_the_terminal(path: Path) -> None:
    call = ToolCall("c", "read_cell", "\x1b]0;title\x07")
    Transcript(path, Scrubber(KEY)).add_reply(Reply("a\x1b[2J\n\tb\x9b31m\r", (call,)))
    shown = render(read_transcript(path))
    assert "\n\tb" in shown
    assert not set("\x1b\x07\x9b\r") & set(shown)
