"""A hub on loopback, as the real one looks from outside: it redirects to a store of files."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.loopback import LoopbackServer

STORE = "/store/"


@dataclass(frozen=True)
class Fault:
    """A fault of one request: another status, or the bytes after which the line is cut.

    `damaged` sends another byte.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    damaged: bool = False


class HubServer(LoopbackServer):
    """The hub at `url`, which has `files`, by name.

    `asked` are the faults of the next questions about a file, `sent` those of the next files sent.
    `questions` counts the questions; `fetched` are the names of the files sent, `ranges` the ranges
    that were asked for.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.asked: list[Fault] = []
        self.sent: list[Fault] = []
        self.questions = 0
        self.fetched: list[str] = []
        self.ranges: list[str] = []
        self.tells_sha = True
        super().__init__()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                hub.questions += 1
                self._redirect(hub.asked)

            def do_GET(self) -> None:
                if not self.path.startswith(STORE):
                    self._redirect([])
                    return
                hub.fetched.append(self.name)
                hub.ranges.append(self.headers.get("Range", ""))
                fault = hub.sent.pop(0) if hub.sent else Fault()
                if fault.status:
                    self._answer(fault.status, fault.headers)
                else:
                    self._send(hub.files[self.name], fault)

            @property
            def name(self) -> str:
                return self.path.rsplit("/", 1)[1]

            def _redirect(self, faults: list[Fault]) -> None:
                if faults:
                    fault = faults.pop(0)
                    self._answer(fault.status, fault.headers)
                elif self.name not in hub.files or "/resolve/main/" not in self.path:
                    self._answer(404, {"X-Error-Code": "EntryNotFound"})
                else:
                    data = hub.files[self.name]
                    sha = hashlib.sha256(data).hexdigest()
                    headers = {
                        "Location": f"http://localhost:{hub.port}{STORE}{self.name}",
                        "X-Repo-Commit": "0" * 40,
                        "X-Linked-Etag": f'"{sha if hub.tells_sha else "1-2"}"',
                        "X-Linked-Size": str(len(data)),
                    }
                    self._answer(302, headers)

            def _answer(self, status: int, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def _send(self, data: bytes, fault: Fault) -> None:
                if fault.damaged:
                    data = bytes([data[0] ^ 1]) + data[1:]
                start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                with suppress(ConnectionError):  # the client has no room
                    self.wfile.write(data[start:][: fault.cut])
                self.close_connection = fault.cut is not None

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Print nothing."""

        return Handler
