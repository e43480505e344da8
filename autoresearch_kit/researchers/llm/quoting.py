"""Quotes what unreviewed code printed, so that it can't pose as the kit to a model."""

import re

from autoresearch_kit.text import without_escapes

MARK = "| "
"""Every quoted line begins so, and nothing that the kit says does."""

_BREAKS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def quote(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text`, its head and its tail, each line marked."""
    lines = _BREAKS.split(_cut(without_escapes(text), limit))
    return "\n".join(MARK + _printable(line) for line in lines)


def _cut(text: str, limit: int) -> str:
    text = text.strip("\n")
    if len(text) <= limit:
        return text
    head = limit // 3  # the end of a traceback says more than its beginning
    left_out = len(text) - limit
    tail = text[head + left_out :]
    return f"{text[:head]}\n[{left_out:,} characters left out]\n{tail}"


def _printable(line: str) -> str:
    return "".join(mark if mark.isprintable() else " " for mark in line.expandtabs(4)).rstrip()
