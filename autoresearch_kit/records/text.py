"""Words that came from elsewhere, made fit for a record, a commit message, a terminal, a page."""

import re

_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
_MARKUP = str.maketrans({mark: f"&#{ord(mark)};" for mark in "&<>|`*_[]\\~$#"})

UNTYPESET = 'class="mathjax_ignore tex2jax_ignore"'
"""Of an element whose text MathJax, of either generation, is not to read as formulas."""


def one_line(text: str, length: int) -> str:
    """`text` on one line of at most `length` characters, only of those that can be printed."""
    start = text[: 4 * length + 1]
    printable = "".join(mark if mark.isprintable() else " " for mark in start)
    line = " ".join(printable.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def both_ends(text: str, length: int) -> str:
    """Write `text` as `one_line` does, but leave out the middle of one that is too long."""
    text = without_escapes(cut_middle(text, 16 * length))  # without white space it may be short
    return one_line(cut_middle(one_line(text, len(text)), length), length)


def cut_middle(text: str, length: int) -> str:
    """Return at most `length` characters of `text`: a third from its head, the rest from its end.

    The end of a traceback says more than its beginning.
    """
    if len(text) <= length:
        return text
    mark = f"\n[{len(text) - length:,} characters left out]\n"
    room = max(0, length - len(mark))
    head = room // 3
    return (text[:head] + mark + text[len(text) - (room - head) :])[-length:]


def without_escapes(text: str) -> str:
    """`text` without the sequences that colour a terminal, or steer it."""
    return _ANSI.sub("", text)


def visible(text: str) -> str:
    """`text` with what would steer a terminal spelled out, such as `\\x1b`; lines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        mark if mark.isprintable() or mark in "\n\t" else _spelled(mark) for mark in text
    )


def _spelled(mark: str) -> str:
    return mark.encode("unicode_escape", "backslashreplace").decode()


def in_markdown(text: str, length: int = 1000) -> str:
    """`text` as one line that reads the same in Markdown, in a table too, and is no markup."""
    return f"<span {UNTYPESET}>{one_line(text, length).translate(_MARKUP)}</span>"


def markdown_table(head: str, rows: list[tuple[str, str]]) -> str:
    """Names and words as a Markdown table under `head`, all of them in plain text."""
    lines = [f"| {name} | {in_markdown(words)} |" for name, words in rows]
    return "\n".join([f"| **{in_markdown(head)}** | |", "|---|---|", *lines])
