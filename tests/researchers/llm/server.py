"""A chat-completions endpoint on loopback that says what it is told to.

It streams an answer where that is asked for, unless it is a server that does not.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler

from tests.loopback import LoopbackServer

Body = Mapping[str, object]
USAGE: Mapping[str, object] = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "prompt_tokens_details": {"cached_tokens": 200},
}
STREAMED: Mapping[str, str] = {"content-type": "text/event-stream"}


@dataclass(frozen=True)
class Answer:
    """An answer: a status and a body, after `wait` is set; or a connection cut short.

    With `pieces`, these are the body, sent one by one as they come.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: Iterable[bytes] | None = None
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
    """Return function calls, by name; arguments that are a text go out as they are."""
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


def stream(*pieces: bytes, cut: bool = False) -> Answer:
    """Return server-sent events, as they are."""
    return Answer(200, STREAMED, b"".join(pieces), cut=cut)


def slowly(pieces: Iterable[bytes]) -> Answer:
    """Return server-sent events, each as it comes."""
    return Answer(200, STREAMED, pieces=pieces)


def event(data: object) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def delta(finish: str | None = None, **brings: object) -> bytes:
    """Return one chunk of an answer."""
    choice = {"index": 0, "delta": brings, "finish_reason": finish}
    return event({"id": "c", "object": "chat.completion.chunk", "choices": [choice]})


def usage_event(usage: object = USAGE) -> bytes:
    return event({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage})


DONE = b"data: [DONE]\n\n"


def streamed(answer: Answer, request: Body) -> Answer:
    """Return the answer as a stream: texts in two pieces, usage last, if that is asked for."""
    whole = json.loads(answer.body)
    if not whole.get("choices"):
        return answer
    message, finish = whole["choices"][0]["message"], whole["choices"][0]["finish_reason"]
    text = message.get("content") or ""
    half = len(text) // 2
    pieces = [delta(role="assistant", content=text[:half]), delta(content=text[half:])]
    if message.get("refusal"):
        pieces.append(delta(refusal=message["refusal"]))
    for at, call in enumerate(message.get("tool_calls") or []):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        half = len(arguments) // 2
        begun = {"name": name, "arguments": arguments[:half]}
        rest = {"index": at, "function": {"arguments": arguments[half:]}}
        pieces += [delta(tool_calls=[{**call, "index": at, "function": begun}])]
        pieces += [delta(tool_calls=[rest])]
    pieces.append(delta(finish))
    if "usage" in whole and request.get("stream_options") == {"include_usage": True}:
        pieces.append(usage_event(whole["usage"]))
    return replace(answer, headers=STREAMED, body=b"".join([*pieces, DONE]))


def raw(body: bytes, kind: str = "text/html") -> Answer:
    return Answer(200, {"content-type": kind}, body)


def cut() -> Answer:
    """Return half an answer, and then nothing."""
    return Answer(200, {"content-type": "application/json"}, b'{"choices": [', cut=True)


def in_turn(*answers: Answer) -> Script:
    """Return one answer after the other, and the last again and again."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def is_completion(answer: Answer) -> bool:
    """Return whether a server that streams would stream this answer."""
    return answer.status == 200 and answer.body.startswith(b'{"id": "c"') and not answer.cut


class ChatServer(LoopbackServer):
    """The endpoint at `url`; `requests` are the headers and bodies that came in.

    `paths` are the paths that were asked for.

    `streams`: whether it can; `left` is set when a client went away before its answer ended.
    """

    def __init__(self, script: Script, *, streams: bool = True) -> None:
        self.script = script
        self.streams = streams
        self.left = threading.Event()
        self.requests: list[tuple[Mapping[str, str], Body]] = []
        self.paths: list[str] = []
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
                outer.paths.append(self.path)
                outer.requests.append((dict(self.headers), body))
                answer = outer.script(body)
                if outer.streams and body.get("stream") and is_completion(answer):
                    answer = streamed(answer, body)
                try:
                    self._send(answer)
                except ConnectionError:  # the client had no patience left
                    outer.left.set()

            def _send(self, answer: Answer) -> None:
                if answer.wait is not None:
                    answer.wait.wait(60)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.pieces is None:
                    extra = 1000 if answer.cut else 0
                    self.send_header("content-length", str(len(answer.body) + extra))
                self.end_headers()
                for piece in answer.pieces or [answer.body]:
                    self.wfile.write(piece)
                    self.wfile.flush()
                self.close_connection = answer.cut or answer.pieces is not None

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Print nothing."""

        return Handler


def said(body: Body) -> str:
    """Return all that a request says, as one text."""
    messages = body["messages"]
    assert isinstance(messages, list)
    return "\n".join(str(message.get("content") or "") for message in messages)
