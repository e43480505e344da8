"""Keeps what was said while an experiment was proposed, as JSON lines, without secrets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from openai.types.chat import ChatCompletionMessageParam

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.atomic import append_line
from autoresearch_kit.records import Usage, codec
from autoresearch_kit.researchers.llm.answer import Reply, ToolCall
from autoresearch_kit.researchers.llm.scrubber import Scrubber

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Line:
    """One message, or a note of the kit's; `at` is in UTC."""

    at: str
    role: str
    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)


class Transcript:
    """Appends to the file at `path`, each line at once, so that a kill loses none."""

    def __init__(self, path: Path, scrubber: Scrubber) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._scrub = scrubber.scrub
        self._sent = 0

    def add_sent(self, messages: Sequence[ChatCompletionMessageParam]) -> None:
        """Write down what is new among the messages of one conversation, but for replies."""
        for message in messages[self._sent :]:
            if message["role"] != "assistant":
                self._write(message["role"], str(message.get("content") or ""))
        self._sent = len(messages)

    def add_reply(self, reply: Reply) -> None:
        """Write down what came back."""
        refused = f"\n[refused: {reply.refusal}]" if reply.refusal else ""
        cut = "\n[cut off at its length limit]" if reply.truncated else ""
        self._write("assistant", f"{reply.text}{refused}{cut}", reply.calls, reply.usage)

    def note(self, text: str) -> None:
        """Write down what happened instead of a reply."""
        self._write("kit", text)

    def _write(
        self, role: str, text: str, calls: Sequence[ToolCall] = (), usage: Usage | None = None
    ) -> None:
        # scrubbed before it is JSON, which may write a secret in another way
        scrubbed = tuple(
            replace(call, name=self._scrub(call.name), arguments=self._scrub(call.arguments))
            for call in calls
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = Line(now, role, self._scrub(text), scrubbed, usage or Usage())
        append_line(self._path, codec.compact(line), 0o600)


def read_transcript(path: Path) -> list[Line]:
    """Return the lines of a transcript, in order; a line that can't be read becomes a note."""
    lines = []
    for data in path.read_bytes().split(b"\n")[:-1]:  # the last is not there in whole yet
        try:
            lines += [codec.decode(Line, data)] if data else []
        except InputError:
            note = f"[a line of {len(data):,} bytes that can't be read]"
            lines.append(Line("", "kit", note))
    return lines


def render(lines: Sequence[Line]) -> str:
    """Return a transcript for a terminal, without the control characters that would steer it."""
    shown = []
    for line in lines:
        took = f" ({line.usage}, {line.usage.seconds:.1f} s)" if line.usage.requests else ""
        calls = [f"{call.name} {call.arguments}" for call in line.calls]
        text = [line.text] if line.text else []
        shown.append("\n".join([f"--- {line.at} {line.role}{took}", *text, *calls]))
    return _CONTROL.sub("", "\n\n".join(shown))
