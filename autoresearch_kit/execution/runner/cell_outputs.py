"""Keep what a cell displays within bounds: a run that prints 100 MB makes no 100 MB notebook."""

import json
from collections import deque
from itertools import groupby

from nbformat import NotebookNode

from autoresearch_kit.execution.runner.traceback_excerpt import excerpt

HEAD = 128 * 1024
TAIL = 128 * 1024
"""Characters kept of the start and of the end of a cell's output."""

ERROR = 32 * 1024
"""Characters kept of a traceback, whatever else the cell displays."""

PIECE = 8 * 1024
"""Characters of a piece in which streams are kept, and within which carriage returns count."""

Sized = tuple[NotebookNode, int]


class CellOutputs:
    """Collects a cell's outputs as they arrive, and keeps a bounded part of them.

    Neighbouring pieces of a stream are joined; lines that a carriage return overwrites are dropped.
    """

    def __init__(self) -> None:
        self._error: NotebookNode | None = None
        self._shown: dict[str, NotebookNode] = {}
        self.clear(wait=False)

    def add(self, output: NotebookNode, display_id: str | None = None) -> None:
        """Add an output that is no stream, in nbformat's form."""
        self._clear_if_due()
        if output.output_type == "error":
            self._error = _short_error(output)
        else:
            self._add(output, _size(output))
            if display_id:
                self._shown[display_id] = output

    def add_text(self, name: str, text: str) -> None:
        """Add a piece of the stream `name`."""
        self._clear_if_due()
        text = _overwritten(self._take_back(name) + text)
        for start in range(0, len(text), PIECE):
            piece = text[start : start + PIECE]
            self._add(_stream(name, piece), len(piece))

    def update(self, display_id: str, output: NotebookNode) -> None:
        """Replace the content of the display `display_id`, unless the new one is too large."""
        shown = self._shown.get(display_id)
        if shown is None or _size(output) > max(_size(shown), PIECE):
            self._cut += _size(output)
        else:
            shown.data, shown.metadata = output.data, output.metadata

    def clear(self, *, wait: bool) -> None:
        """Forget all outputs: now, or, with `wait`, when the next one comes."""
        self._clear_next = wait
        if not wait:
            self._head: list[Sized] = []
            self._tail: deque[Sized] = deque()
            self._room = HEAD
            self._tail_size = 0
            self._cut = 0
            self._shown.clear()

    def result(self) -> list[NotebookNode]:
        """Return the outputs to keep, in order, with a line where some were cut."""
        kept = [output for output, _ in self._head]
        if self._cut:
            line = f"\n[{self._cut:,} characters of this cell's output were cut here]\n"
            kept.append(_stream("stderr", line))
        kept += [output for output, _ in self._tail]
        return _joined(kept) + ([self._error] if self._error else [])

    def _clear_if_due(self) -> None:
        if self._clear_next:
            self.clear(wait=False)

    def _take_back(self, name: str) -> str:
        """Take out and return the last piece of the stream, if more of the stream fits into it."""
        held = self._tail or self._head
        if not held or held[-1][0].get("name") != name or held[-1][1] >= PIECE:
            return ""
        output, size = held.pop()
        if held is self._tail:
            self._tail_size -= size
        else:
            self._room += size
        return str(output.text)

    def _add(self, output: NotebookNode, size: int) -> None:
        if not self._tail and not self._cut and size <= self._room:
            self._head.append((output, size))
            self._room -= size
            return
        self._tail.append((output, size))
        self._tail_size += size
        while self._tail_size > TAIL:
            _, dropped = self._tail.popleft()
            self._tail_size -= dropped
            self._cut += dropped


def _stream(name: str, text: str) -> NotebookNode:
    """Make a stream output. nbformat's `new_output` would validate it for a millisecond."""
    return NotebookNode(output_type="stream", name=name, text=text)


def _overwritten(text: str) -> str:
    """Drop from each line what a carriage return, with more to follow, wipes from the screen."""
    if "\r" not in text:
        return text
    lines = []
    for line in text.split("\n"):
        end = "\r" if line.endswith("\r") else ""
        lines.append(line.removesuffix("\r").rsplit("\r", 1)[-1] + end)
    return "\n".join(lines)


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring outputs of one stream; other outputs have no name."""
    joined: list[NotebookNode] = []
    for name, neighbours in groupby(outputs, key=lambda output: output.get("name")):
        if name:
            joined.append(_stream(name, "".join(output.text for output in neighbours)))
        else:
            joined += neighbours
    return joined


def _short_error(output: NotebookNode) -> NotebookNode:
    traceback = "\n".join(map(str, output.traceback))
    if len(traceback) > ERROR:
        traceback = excerpt(traceback, ERROR)
    return NotebookNode(
        output_type="error",
        ename=str(output.ename)[:PIECE],
        evalue=str(output.evalue)[:PIECE],
        traceback=traceback.split("\n"),
    )


def _size(output: NotebookNode) -> int:
    return len(json.dumps(output, default=str))
