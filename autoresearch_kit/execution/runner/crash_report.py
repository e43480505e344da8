"""Read an executed notebook, which unreviewed code wrote: what its cells printed, and its error.

A traceback out of torch has dozens of frames, each with ten lines of source. An excerpt begins with
the notebook's own frames, names the last few frames of libraries, and ends with the error, after
those that led to it.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.untrusted import read_if_plain
from autoresearch_kit.records import codec
from autoresearch_kit.records.text import cut_middle, without_escapes

NOTEBOOK_LIMIT = 20_000_000  # bytes of an executed notebook that are read
TRACEBACK_LIMIT = 6_000  # characters of the excerpt that is kept of a traceback
LIBRARY_FRAMES = 3  # frames of libraries that are named before an error

OWN_SHARE, ERROR_SHARE, LIBRARY_SHARE = 0.35, 0.25, 0.05
"""Largest shares of an excerpt: the notebook's frames together, and each other error or frame."""

_BAR = re.compile(r"\d+%\|")  # matches in a line with a progress bar of tqdm's

_CELL = re.compile(r"\b(?:Cell In ?|Input In )\[(\d{1,9})\]")
"""IPython's name of a cell in a traceback, with its execution count."""

_OWN = re.compile(r"\s*(?:Cell In ?\[|Input In \[|<ipython-input-|cell '|\S*ipykernel_\d+\S* in )")
"""Begins a frame of a notebook's cell in IPython (7 to 9); `cell '` is the kit's own form."""

_LIBRARY = re.compile(r"File |~?/\S+ in ")  # begins any other frame in IPython
_ARROW = re.compile(r"-+> ?\d")  # begins the line of a frame that was executed

_LINK = re.compile(r"(?:The above|During handling of the above) exception,? .*:$")
"""Matches what Python writes between an error and the error that it led to."""

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


def excerpt(traceback: str, limit: int) -> str:
    """Return at most `limit` characters of a traceback as IPython shows it; it may be hostile.

    What is no frame is taken for an error's message.
    """
    lines = without_escapes(traceback).strip("\n").splitlines()
    text = "\n".join(line.rstrip() for line in lines if not _HEADER.match(line))
    own: list[list[str]] = [[]]
    rest: list[str] = []
    library: list[str] = []
    for block in (block.strip("\n") for block in text.split("\n\n")):
        if _OWN.match(block):
            own[-1].append(block)
        elif _LIBRARY.match(block):
            head, *executed = _executed(_PACKAGES.sub("", block))
            length = round(LIBRARY_SHARE * limit / 2)
            library.append("\n".join(line[:length] for line in (head, *executed[:1])))
        else:
            rest += [*_last(library), cut_middle(block, round(ERROR_SHARE * limit))]
            library = []
            if _LINK.match(block):
                own.append([])
    rest += _last(library)
    if not any(own) and len(rest) == 1:
        return cut_middle(text, limit)
    # the frames of the last error before those of its causes
    distinct = {_executed(block): block for frames in reversed(own) for block in frames}
    parts = _ends(list(distinct.values()), round(OWN_SHARE * limit))
    room = limit - sum(len(part) + len("\n\n") for part in parts)
    parts.append(cut_middle("\n\n".join(rest), room))
    return cut_middle("\n\n".join(filter(None, parts)), limit)


def _executed(block: str) -> tuple[str, ...]:
    """Return the head of a frame, and the line that was executed."""
    head, *source = block.splitlines()
    return (head, *(line for line in source if _ARROW.match(line)))


def _last(frames: list[str]) -> list[str]:
    left_out = len(frames) - LIBRARY_FRAMES
    gap = [f"[{left_out} frames of libraries left out]"] if left_out > 0 else []
    return [*gap, *frames[-LIBRARY_FRAMES:]]


def _ends(frames: list[str], limit: int) -> list[str]:
    """Return the first and the last few frames where all are too long, as after a recursion."""
    if sum(map(len, frames)) <= limit:
        return frames
    first, *others = [cut_middle(frame, limit // 3) for frame in frames]
    room, kept = limit - len(first), list[str]()
    for frame in reversed(others):
        room -= len(frame)
        if room < 0:
            break
        kept.insert(0, frame)
    left_out = len(others) - len(kept)
    gap = [f"[{left_out} frames of the notebook left out]"] if left_out else []
    return [first, *gap, *kept]
