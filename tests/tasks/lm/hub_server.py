"""A hub on loopback, as the real one looks from outside: it redirects to a store of files."""

import hashlib
import socket
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.loopback import LoopbackServer

STORE = "/store/"


@dataclass(frozen=True)
class Fault:
    """A fault of one request: another status, or the bytes after which the line is cut.

    `reset` cuts it without a goodbye; `held` leaves it open, and silent, until the hub is closed.
    `damaged` sends another byte; `whole` ignores the range.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    held: bool = False
    damaged: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Request:
    method: str
    name: str
    range: str


class HubServer(LoopbackServer):
    """The hub at `url`, which has `files`, by name.

    `asked` are the faults of the next questions about a file, `sent` those of the next files sent.
    `requests` are all that came in.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.asked: list[Fault] = []
        self.sent: list[Fault] = []
        self.requests: list[Request] = []
        self.tells_sha = True
        self._closing = threading.Event()
        super().__init__()

    @property
    def ranges(self) -> list[str]:
        """The ranges that were asked for, one for each file sent, in order."""
        return [request.range for request in self.requests if request.method == "GET"]

    @property
    def fetched(self) -> list[str]:
        """Names of the files sent, in order."""
        return [request.name for request in self.requests if request.method == "GET"]

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        super().__exit__(*exc)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._redirect(hub.asked)

            def do_GET(self) -> None:
                if self.path.startswith(STORE):
                    self._send()
                else:
                    self._redirect([])

            @property
            def name(self) -> str:
                return self.path.rsplit("/", 1)[1]

            def _redirect(self, faults: list[Fault]) -> None:
                if self.command == "HEAD":
                    hub.requests.append(Request("HEAD", self.name, ""))
                known = self.name in hub.files and "/resolve/main/" in self.path
                if faults:
                    self._refuse(faults.pop(0))
                elif not known:
                    self._refuse(Fault(404, {"X-Error-Code": "EntryNotFound"}))
                else:
                    self._tell(hub.files[self.name])

            def _tell(self, data: bytes) -> None:
                sha = hashlib.sha256(data).hexdigest()
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{hub.port}{STORE}{self.name}")
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("X-Linked-Etag", f'"{sha if hub.tells_sha else "1-2"}"')
                self.send_header("X-Linked-Size", str(len(data)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _refuse(self, fault: Fault) -> None:
                self.send_response(fault.status)
                for name, value in fault.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _send(self) -> None:
                asked = self.headers.get("Range", "")
                hub.requests.append(Request("GET", self.name, asked))
                fault = hub.sent.pop(0) if hub.sent else Fault()
                if fault.status:
                    self._refuse(fault)
                else:
                    self._pour(hub.files[self.name], asked, fault)

            def _pour(self, data: bytes, asked: str, fault: Fault) -> None:
                if fault.damaged:
                    data = bytes([data[0] ^ 1]) + data[1:]
                start = (
                    int(asked.removeprefix("bytes=").split("-")[0])
                    if asked and not fault.whole
                    else 0
                )
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                with suppress(ConnectionError):  # the client was killed, or has no room
                    self.wfile.write(data[start:][: fault.cut])
                if fault.held:
                    hub._closing.wait(60)
                if fault.cut is not None:
                    self._hang_up(fault.reset)

            def _hang_up(self, reset: bool) -> None:
                self.close_connection = True
                if reset:  # to linger for 0 s is to send RST
                    at_once = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Print nothing."""

        return Handler
