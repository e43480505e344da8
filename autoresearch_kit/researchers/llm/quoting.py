"""Text that unreviewed code printed, made fit to be shown to a model: it can't pose as the kit."""

import re

from autoresearch_kit.records.text import cut_middle, without_escapes

MARK = "| "
"""Every quoted line begins so, and nothing that the kit says does."""

_BREAKS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def quote(text: str, limit: int) -> str:
    """At most `limit` characters of `text`, its head and its tail, each line marked."""
    lines = _BREAKS.split(cut_middle(without_escapes(text).strip("\n"), limit))
    return "\n".join(MARK + _printable(line) for line in lines)


def _printable(line: str) -> str:
    return "".join(mark if mark.isprintable() else " " for mark in line.expandtabs(4)).rstrip()
