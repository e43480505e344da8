"""Keep what a cell displays within bounds: a run that prints 100 MB makes no 100 MB notebook."""

import json
from collections import deque
from itertools import groupby

from nbformat import NotebookNode

from autoresearch_kit.execution.runner.crash_report import excerpt

HEAD = TAIL = 128 * 1024  # characters kept of the start and of the end of a cell's output
ERROR = 32 * 1024  # characters kept of a traceback, whatever else the cell displays

PIECE = 8 * 1024
"""Characters of a piece in which streams are kept, and within which carriage returns count."""


class CellOutputs:
    """Collects a cell's outputs as they arrive, and keeps a bounded part of them.

    Neighbouring pieces of a stream are joined; lines that a carriage return overwrites are dropped.
    """

    def __init__(self) -> None:
        self._error: NotebookNode | None = None
        self._name = self._text = ""
        self.clear(wait=False)

    def add(self, output: NotebookNode, display_id: str | None = None) -> None:
        """Add an output that is no stream, in nbformat's form; `display_id` lets it be updated."""
        self._clear_if_due()
        self._end_piece()
        if output.output_type == "error":
            self._error = _short_error(output)
        else:
            self._keep(output, _size(output))
            if display_id:
                self._shown[display_id] = output

    def update(self, display_id: str, output: NotebookNode) -> None:
        """Replace what a display shows, unless the new output is too large."""
        shown = self._shown.get(display_id)
        if shown is None or _size(output) > max(_size(shown), PIECE):
            self._cut += _size(output)
        else:
            shown.data, shown.metadata = output.data, output.metadata

    def add_text(self, name: str, text: str) -> None:
        """Add a piece of the stream `name`."""
        self._clear_if_due()
        if name != self._name:
            self._end_piece()
        text = _overwritten(self._text + text)
        last = len(text) // PIECE * PIECE
        for start in range(0, last, PIECE):
            self._keep(_stream(name, text[start : start + PIECE]), PIECE)
        self._name, self._text = name, text[last:]

    def clear(self, *, wait: bool) -> None:
        """Forget all outputs: now, or, with `wait`, when the next one comes."""
        self._clear_next = wait
        if not wait:
            self._name = self._text = ""
            self._head: list[NotebookNode] = []
            self._tail: deque[tuple[NotebookNode, int]] = deque()
            self._head_room = HEAD
            self._tail_room = TAIL
            self._cut = 0
            self._shown: dict[str, NotebookNode] = {}

    def result(self) -> list[NotebookNode]:
        """Return the outputs to keep, in order, with a line where some were cut."""
        self._end_piece()
        kept = self._head.copy()
        if self._cut:
            line = f"\n[{self._cut:,} characters of this cell's output were cut here]\n"
            kept.append(_stream("stderr", line))
        kept += [output for output, _ in self._tail]
        return _joined(kept) + ([self._error] if self._error else [])

    def _clear_if_due(self) -> None:
        if self._clear_next:
            self.clear(wait=False)

    def _end_piece(self) -> None:
        if self._text:
            self._keep(_stream(self._name, self._text), len(self._text))
        self._name = self._text = ""

    def _keep(self, output: NotebookNode, size: int) -> None:
        if not self._tail and not self._cut and size <= self._head_room:
            self._head.append(output)
            self._head_room -= size
            return
        self._tail.append((output, size))
        self._tail_room -= size
        while self._tail_room < 0:
            _, dropped = self._tail.popleft()
            self._tail_room += dropped
            self._cut += dropped


def _size(output: NotebookNode) -> int:
    return len(json.dumps(output, default=str))


def _stream(name: str, text: str) -> NotebookNode:
    # nbformat's `new_output` would validate it for a millisecond
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
