"""Keep a measuring notebook from running what was handed over to it, by mistake.

Pickles and modules among the files of `measure.output` are unreviewed code: run beside the hidden
data, they could report any number. These hooks catch the usual ways to do that, and are no proof;
the sandbox of a measurement has no way out in any case.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from autoresearch_kit.errors import KitError

RUNS = frozenset({
    "ctypes.dlopen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen",
})  # fmt: skip
"""Events of Python that run or load a program: https://docs.python.org/3/library/audit_events.html"""

SOURCE_BYTES = 1_000_000
"""Handed-over files up to this size are compared with source code that is compiled."""

PARSED = "<unknown>"
"""The name that `ast.parse` gives to what it only reads."""

WAY_OUT = "measure.predict asks the submission in its own process; `trusted = true` allows it here"


class UntrustedError(KitError):
    """A measuring notebook was about to run what was handed over."""


class Guard:
    """Follows which of the handed-over files are opened, and stops what would run them."""

    def __init__(self, output: Path) -> None:
        self._output = str(output)
        self._near = (str(output), str(output.resolve()))
        self._opened: set[str] = set()
        self._last = False
        self._reading = False

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        """Look at an audit event; called by Python for all of them.

        Raises:
            UntrustedError: it would run what was handed over.
        """
        if self._reading:
            return
        if event == "open":
            self._note(args[0])
        elif event == "pickle.find_class":
            if self._last or self._holds_open():
                raise UntrustedError(
                    "unpickling what was handed over would run it (unpickle your own data before "
                    f"you open files of measure.output): {WAY_OUT}"
                )
        elif event == "import":
            self._refuse("import", _texts(sys.path))
        elif event == "exec":
            self._refuse("run", (getattr(args[0], "co_filename", ""),))
        elif event == "compile":
            self._look_at_source(*args[:2])
        elif event in RUNS:
            self._refuse("run", _texts(args))

    def _note(self, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - a Path for each would be slow
        inside = self._is_inside(name)
        if inside:
            self._opened.add(name)
        if inside or not name.endswith((".py", ".pyc", ".so")):
            self._last = inside

    def _look_at_source(self, source: object, name: object) -> None:
        self._refuse("compile", _texts((name,)))
        text = source.encode(errors="replace") if isinstance(source, str) else source
        if isinstance(text, bytes) and name != PARSED and self._is_handed_over(text.strip()):
            raise UntrustedError(f"code that was handed over is not run here: {WAY_OUT}")

    def _is_handed_over(self, text: bytes) -> bool:
        self._reading = True
        try:
            return bool(text) and any(_start(path).strip() == text for path in self._opened)
        finally:
            self._reading = False

    def _refuse(self, what: str, texts: Iterable[str]) -> None:
        if any(near in text for text in texts for near in self._near):
            raise UntrustedError(f"a file of measure.output is not to {what}: {WAY_OUT}")

    def _is_inside(self, name: str) -> bool:
        return name.startswith(tuple(f"{near}/" for near in self._near))

    def _holds_open(self) -> bool:
        """Return whether a file that was handed over is open."""
        self._reading = True
        try:
            return any(self._is_inside(_target(entry)) for entry in _descriptors())
        finally:
            self._reading = False


def guard(output: Path) -> None:
    """Stop this process, from now on, from running files below `output`."""
    sys.addaudithook(Guard(output))


def _texts(values: object) -> list[str]:
    """Return all text in nested lists and tuples."""
    if isinstance(values, str | bytes | os.PathLike):
        return [os.fsdecode(values)]
    if isinstance(values, list | tuple):
        return [text for value in values for text in _texts(value)]
    return []


def _start(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            return file.read(SOURCE_BYTES)
    except OSError:
        return b""


def _descriptors() -> list[str]:
    folder = "/proc/self/fd"
    return [f"{folder}/{name}" for name in os.listdir(folder)] if os.path.isdir(folder) else []  # noqa: PTH112, PTH208


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115
    except OSError:
        return ""
