"""Read an executed notebook, which unreviewed code wrote: what its cells printed, and its error.

A traceback out of torch has dozens of frames, each with ten lines of source. An excerpt begins with
the notebook's own frames, names the last few frames of libraries, and ends with the error. Where
one error led to another, it has the message of the first, the cause, too.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.untrusted import read_if_plain
from autoresearch_kit.records import codec
from autoresearch_kit.records.text import cut_middle, without_escapes

NOTEBOOK_LIMIT = 20_000_000
"""Bytes of an executed notebook that are read."""

TRACEBACK_LIMIT = 6_000
"""Characters of the excerpt that is kept of a traceback."""

LIBRARY_FRAMES = 3
"""Frames of libraries that are named before the last error; before the first it is one."""

OWN_SHARE, LAST_SHARE, FIRST_SHARE = 0.35, 0.25, 0.15
"""Shares of an excerpt: the notebook's frames, the last error's message (at least), the first's."""

LIBRARY_SHARE = 0.05
"""Share of a library's frame: its head, and the line that was executed."""

_BAR = re.compile(r"\d+%\|")
"""Matches in a line with a progress bar of tqdm's."""

_CELL = re.compile(r"\b(?:Cell In ?|Input In )\[(\d{1,9})\]")
"""IPython's name of a cell in a traceback, with its execution count."""

_LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
"""Lines that Python writes between an error and the error that it led to."""

_OWN = re.compile(r"\s*(?:Cell In ?\[|Input In \[|<ipython-input-|cell '|\S*ipykernel_\d+\S* in )")
"""Begins a frame of a notebook's cell in IPython (7 to 9); `cell '` is the kit's own form."""

_LIBRARY = re.compile(r"File |~?/\S+ in ")
"""Begins any other frame in IPython."""

_ARROW = re.compile(r"-+> ?\d")
_SOURCE = re.compile(r"\s|-+> ?\d|\d+ |\(\.\.\.\)|\[[\d,]{1,12} characters left out\]$")
"""The line of a frame that was executed, and any of the lines around it, cut short or not."""

_GAP = re.compile(r"\[(\d{1,9}) frames of (?:libraries|the notebook) left out\]")
"""Stands for frames in an excerpt, so that an excerpt can be shortened again."""

_HEADER = re.compile(r"-{20,}$|\S+ +Traceback \(most recent call last\)")
_PACKAGES = re.compile(r"\S*/(?:site|dist)-packages/")


@dataclass(frozen=True)
class Output:
    """The parts of a cell's output that are read: a stream's `text`, an error's traceback.

    nbformat writes a text line by line, other programs in one piece.
    """

    output_type: str = ""
    text: str | tuple[str, ...] = ""
    traceback: tuple[str, ...] = ()


@dataclass(frozen=True)
class CellMetadata:
    """The part of a cell's metadata that is read."""

    name: str = ""


@dataclass(frozen=True)
class ExecutedCell:
    """A cell and its outputs."""

    outputs: tuple[Output, ...] = ()
    execution_count: int | None = None
    metadata: CellMetadata = field(default_factory=CellMetadata)


@dataclass(frozen=True)
class Executed:
    """An executed notebook."""

    cells: tuple[ExecutedCell, ...] = ()


def read_executed(path: Path) -> Executed:
    """Return the executed notebook at `path`, without cells if it can't be read."""
    return parse_executed(read_if_plain(path, NOTEBOOK_LIMIT))


def parse_executed(notebook: bytes) -> Executed:
    """Return the executed notebook with this text, without cells if it can't be read."""
    try:
        return codec.decode(Executed, notebook[:NOTEBOOK_LIMIT])
    except InputError:
        return Executed()


def error_in(executed: Executed) -> str:
    """Return an excerpt of the last traceback, with cells' names; empty if there is none."""
    outputs = [output for cell in executed.cells for output in cell.outputs]
    errors = [output for output in outputs if output.output_type == "error"]
    if not errors:
        return ""
    names = {str(cell.execution_count): cell.metadata.name for cell in executed.cells}

    def named(match: re.Match[str]) -> str:
        name = names.get(match[1])
        return f"cell '{name}'" if name else match[0]

    traceback = without_escapes("\n".join(errors[-1].traceback))
    return excerpt(_CELL.sub(named, traceback), TRACEBACK_LIMIT)


def printed(executed: Executed) -> str:
    """Return what the cells wrote to stdout and stderr, by cell, without progress bars."""
    texts = [(cell.metadata.name, _streams(cell)) for cell in executed.cells]
    return "\n".join(f"[cell {name}]\n{text}" for name, text in texts if text)


def _streams(cell: ExecutedCell) -> str:
    streams = [output for output in cell.outputs if output.output_type == "stream"]
    text = "".join("".join(stream.text) for stream in streams)
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(line for line in lines if not _BAR.search(line)).strip("\n")


@dataclass
class _Frame:
    """A frame of a traceback: its head and the source around it; or a gap of `count` frames."""

    lines: list[str]
    own: bool = False
    count: int = 1

    @property
    def executed(self) -> tuple[str, ...]:
        """Return the head and the line that was executed."""
        return (self.lines[0], *(line for line in self.lines[1:] if _ARROW.match(line)))


@dataclass
class _Error:
    """An error of a chain. `link` says how it followed from the one before it."""

    link: str = ""
    frames: list[_Frame] = field(default_factory=list)
    message: list[str] = field(default_factory=list)

    def text(self, limit: int) -> str:
        return cut_middle("\n".join(self.message).strip("\n"), limit)

    def library_frames(self, most: int, length: int) -> list[str]:
        """Return its last frames of libraries, after a line that says how many are left out."""
        library = [frame for frame in self.frames if not frame.own]
        named = [frame for frame in library[-most:] if frame.count == 1]
        left_out = sum(frame.count for frame in library) - len(named)
        gap = [f"[{left_out} frames of libraries left out]"] if left_out else []
        texts = ["\n".join(line[: length // 2] for line in frame.executed[:2]) for frame in named]
        return gap + texts


def excerpt(traceback: str, limit: int) -> str:
    """Return at most `limit` characters of a traceback as IPython shows it; it may be hostile.

    A text that can't be read as a traceback is cut in its middle.
    """
    traceback = without_escapes(traceback).strip("\n")
    errors = _parse(traceback.splitlines())
    if not any(error.frames for error in errors):
        return cut_middle(traceback, limit)
    parts = _own_frames(errors, round(OWN_SHARE * limit))
    *causes, last = errors
    length = round(LIBRARY_SHARE * limit)
    if causes:
        parts += causes[0].library_frames(1, length)
        parts.append(causes[0].text(round(FIRST_SHARE * limit)))
    if len(causes) > 1:
        parts.append(f"[{len(causes) - 1} errors between left out]")
    parts += [*filter(None, [last.link]), *last.library_frames(LIBRARY_FRAMES, length)]
    room = limit - sum(len(part) + len("\n\n") for part in parts)
    parts.append(last.text(max(room, round(LAST_SHARE * limit))))
    return cut_middle("\n\n".join(parts), limit)


def _parse(lines: Iterable[str]) -> list[_Error]:
    """Return the errors of a traceback in the order in which they came, the first cause first."""
    errors = [_Error()]
    for line in lines:
        error = errors[-1]
        if line.strip() in _LINKS:
            errors.append(_Error(link=line.strip()))
        elif error.message:
            error.message.append(line)
        elif gap := _GAP.fullmatch(line):
            error.frames.append(_Frame([line], count=int(gap[1])))
        elif _OWN.match(line):
            error.frames.append(_Frame([line], own=True))
        elif _LIBRARY.match(line):
            error.frames.append(_Frame([_PACKAGES.sub("", line)]))
        elif not line.strip() or _HEADER.match(line):
            continue
        elif error.frames and _SOURCE.match(line):
            error.frames[-1].lines.append(line)
        else:
            error.message.append(line)
    return errors


def _own_frames(errors: Sequence[_Error], limit: int) -> list[str]:
    """Return the notebook's frames, each once: those of the last error, then of its causes.

    Where they are too many, as in an endless recursion, return the first and the last few of them.
    """
    own = [frame for error in reversed(errors) for frame in error.frames if frame.own]
    distinct = {frame.executed: frame for frame in own}.values()
    texts = ["\n".join(frame.lines) for frame in distinct]
    if sum(map(len, texts)) <= limit:
        return texts
    first, *others = [cut_middle(text, limit // 3) for text in texts]
    room, kept = limit - len(first), list[str]()
    for text in reversed(others):
        room -= len(text)
        if room < 0:
            break
        kept.insert(0, text)
    left_out = len(others) - len(kept)
    gap = [f"[{left_out} frames of the notebook left out]"] if left_out else []
    return [first, *gap, *kept]
