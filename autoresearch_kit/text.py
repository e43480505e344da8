"""Words that came from elsewhere, made fit for a record, a commit message and a terminal."""


def one_line(text: str, length: int) -> str:
    """`text` on one line of at most `length` characters, only of those that can be printed."""
    start = text[: 4 * length + 1]
    printable = "".join(mark if mark.isprintable() else " " for mark in start)
    line = " ".join(printable.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
