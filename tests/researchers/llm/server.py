"""A chat-completions endpoint on loopback that says what it is told to."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.loopback import LoopbackServer

Body = Mapping[str, object]
USAGE: Mapping[str, object] = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "prompt_tokens_details": {"cached_tokens": 200},
}


@dataclass(frozen=True)
class Answer:
    """What is answered: a status and a body, after `wait` is set; or a connection cut short."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False
    wait: threading.Event | None = None


Script = Callable[[Body], Answer]


def completion(message: Body, finish: str = "stop", usage: Body | None = USAGE) -> Answer:
    body: dict[str, object] = {
        "id": "c",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if usage is not None:
        body["usage"] = usage
    return Answer(200, {"content-type": "application/json"}, json.dumps(body).encode())


def text(words: str, finish: str = "stop", usage: Body | None = USAGE) -> Answer:
    return completion({"role": "assistant", "content": words}, finish, usage)


def calls(*made: tuple[str, Body | str]) -> Answer:
    """Function calls, by name; arguments that are a text go out as they are."""
    wire = [
        {
            "id": f"call-{at}",
            "type": "function",
            "function": {"name": name, "arguments": a if isinstance(a, str) else json.dumps(a)},
        }
        for at, (name, a) in enumerate(made)
    ]
    return completion({"role": "assistant", "content": None, "tool_calls": wire}, "tool_calls")


def status(code: int, message: str, code_name: str = "", **headers: str) -> Answer:
    body = {"error": {"message": message, "type": "error", "code": code_name}}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(code, {"content-type": "application/json", **sent}, json.dumps(body).encode())


def raw(body: bytes, kind: str = "text/html") -> Answer:
    return Answer(200, {"content-type": kind}, body)


def cut() -> Answer:
    """Half an answer, and then nothing."""
    return Answer(200, {"content-type": "application/json"}, b'{"choices": [', cut=True)


def in_turn(*answers: Answer) -> Script:
    """One answer after the other, and the last again and again."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


class ChatServer(LoopbackServer):
    """The endpoint at `url`; `requests` are the headers and bodies that came in."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[tuple[Mapping[str, str], Body]] = []
        super().__init__()

    @property
    def url(self) -> str:
        return f"{super().url}/v1"

    @property
    def bodies(self) -> Sequence[Body]:
        return [body for _, body in self.requests]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.requests.append((dict(self.headers), body))
                self._send(outer.script(body))

            def _send(self, answer: Answer) -> None:
                if answer.wait is not None:
                    answer.wait.wait(60)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                extra = 1000 if answer.cut else 0
                self.send_header("content-length", str(len(answer.body) + extra))
                self.end_headers()
                with suppress(ConnectionError):  # the client had no patience left
                    self.wfile.write(answer.body)
                if answer.cut:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Print nothing."""

        return Handler


def said(body: Body) -> str:
    """All that a request says, as one text."""
    messages = body["messages"]
    assert isinstance(messages, list)
    return "\n".join(str(message.get("content") or "") for message in messages)
