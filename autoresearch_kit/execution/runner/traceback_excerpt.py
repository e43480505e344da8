"""Shorten a traceback to the part that helps to mend the notebook.

A traceback out of torch has dozens of frames, each with ten lines of source. An excerpt begins with
the notebook's own frames, names the last few frames of libraries, and ends with the error. Where
one error led to another, it has the message of the first, the cause, too.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autoresearch_kit.records.text import cut_middle, without_escapes

LIBRARY_FRAMES = 3
"""Frames of libraries that are named before the last error; before each other error it is one."""

OWN_SHARE, LAST_SHARE, FIRST_SHARE = 0.35, 0.25, 0.15
"""Shares of an excerpt: the notebook's frames, the last error's message (at least), the first's."""

BETWEEN, BETWEEN_SHARE = 2, 0.03
"""Errors between the first and the last that are shown, and the share of each message."""

LIBRARY_SHARE = 0.05
"""Share of a library's frame: its head, and the line that was executed."""

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
        parts += [*_way(causes[0], 1, length), _message(causes[0], round(FIRST_SHARE * limit))]
    between = causes[1:]
    if len(between) > BETWEEN:
        parts.append(f"[{len(between) - BETWEEN} errors between left out]")
    for error in between[-BETWEEN:]:
        parts += [*_way(error, 1, length), _message(error, round(BETWEEN_SHARE * limit))]
    parts += _way(last, LIBRARY_FRAMES, length)
    room = limit - sum(len(part) + len("\n\n") for part in parts)
    parts.append(_message(last, max(room, round(LAST_SHARE * limit))))
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
        elif frame := _begin_frame(line):
            error.frames.append(frame)
        elif not line.strip() or _HEADER.match(line):
            continue
        elif error.frames and _SOURCE.match(line):
            error.frames[-1].lines.append(line)
        else:
            error.message.append(line)
    return errors


def _begin_frame(line: str) -> _Frame | None:
    """Return the frame that this line begins, if it begins one."""
    if gap := _GAP.fullmatch(line):
        return _Frame([line], count=int(gap[1]))
    if _OWN.match(line):
        return _Frame([line], own=True)
    if _LIBRARY.match(line):
        return _Frame([_PACKAGES.sub("", line)])
    return None


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


def _way(error: _Error, frames: int, length: int) -> list[str]:
    """Return how the error followed from the one before, and its last `frames` library frames."""
    library = [frame for frame in error.frames if not frame.own]
    named = [frame for frame in library[-frames:] if frame.count == 1]
    left_out = sum(frame.count for frame in library) - len(named)
    gap = f"[{left_out} frames of libraries left out]" if left_out else ""
    texts = ["\n".join(line[: length // 2] for line in frame.executed[:2]) for frame in named]
    return [part for part in (error.link, gap, *texts) if part]


def _message(error: _Error, limit: int) -> str:
    return cut_middle("\n".join(error.message).strip("\n"), limit)
