"""Words for people: foreign text made fit to be shown, numbers of any size with their errors."""

import math
import re

_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
_MARKUP = str.maketrans({mark: f"&#{ord(mark)};" for mark in "&<>|`*_[]\\~$#"})

UNTYPESET = 'class="mathjax_ignore tex2jax_ignore"'
"""Marks an element whose text MathJax, of either generation, is not to read as formulas."""

DECIMALS = 6  # decimals of a number whose error is not known
TINY, HUGE = 1e-4, 1e15  # numbers below the one and from the other on are written in powers of ten


def one_line(text: str, length: int) -> str:
    """Return `text` on one line of at most `length` characters, all of which can be printed."""
    start = text[: 4 * length + 1]
    printable = "".join(mark if mark.isprintable() else " " for mark in start)
    line = " ".join(printable.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def both_ends(text: str, length: int) -> str:
    """Write `text` as `one_line` does, but leave out the middle if it is too long."""
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
    """Return `text` without the sequences that colour a terminal, or steer it."""
    return _ANSI.sub("", text)


def visible(text: str) -> str:
    """Spell out what would steer a terminal, such as `\\x1b`; lines and tabs stay."""
    return "".join(
        mark
        if mark.isprintable() or mark in "\n\t"
        else mark.encode("unicode_escape", "backslashreplace").decode()
        for mark in text
    )


def in_markdown(text: str) -> str:
    """Return `text` as one line that reads the same in Markdown, in a table too; never markup."""
    return f"<span {UNTYPESET}>{one_line(text, 1000).translate(_MARKUP)}</span>"


def markdown_table(head: str, rows: list[tuple[str, str]]) -> str:
    """Return names and words as a Markdown table under `head`, all of them in plain text."""
    lines = [f"| {name} | {in_markdown(words)} |" for name, words in rows]
    return "\n".join([f"| **{in_markdown(head)}** | |", "|---|---|", *lines])


def with_error(value: float, error: float | None = None, *, signed: bool = False) -> str:
    """Write `1.2345 ± 0.0012`: the error in two significant digits, the value to the same decimal.

    Without the error, as `rounded` writes it, where that is not known (None or NaN), or 0 since the
    number is the same each time. `signed` begins with + or -.
    """
    shown, spread = rounded(value, error, signed=signed), _spread(value, error)
    if not spread:
        return shown
    size = max(abs(value), spread)
    if TINY <= size < HUGE:
        return f"{shown} ± {spread:.{_decimals(spread, size)}f}"
    exponent = _exponent(size)
    digits, scale = _decimals(spread / 10**exponent, 1.0), f"e{exponent:+03d}"
    return f"({shown.removesuffix(scale)} ± {spread / 10**exponent:.{digits}f}){scale}"


def rounded(value: float, error: float | None = None, *, signed: bool = False) -> str:
    """Write the value as `with_error` does, without the error.

    With no error known it has `DECIMALS` decimals, or as many significant digits as that is for a
    number of one digit before the point; whole numbers from 10 on have none, and a number below
    `TINY` is in powers of ten.
    """
    sign, spread = "+" if signed else "", _spread(value, error)
    if not math.isfinite(value):
        return f"{value:{sign}g}"
    if not spread:
        return _alone(value, sign)
    size = max(abs(value), spread)
    if TINY <= size < HUGE:
        return f"{value:{sign}.{_decimals(spread, size)}f}"
    exponent = _exponent(size)
    digits = _decimals(spread / 10**exponent, 1.0)
    return f"{value / 10**exponent:{sign}.{digits}f}e{exponent:+03d}"


def _spread(value: float, error: float | None) -> float:
    """Return the error if it can be shown beside the value, else 0."""
    known = error is not None and math.isfinite(error) and math.isfinite(value)
    return error if error is not None and known else 0.0


def _alone(value: float, sign: str) -> str:
    size = abs(value)
    if 0 < size < TINY or size >= HUGE:
        return f"{value:{sign}.3e}"
    if size < 10:
        return f"{value:{sign}.{DECIMALS}f}"
    decimals = 0 if value == int(value) else max(0, DECIMALS - _exponent(size))
    return f"{value:{sign}.{decimals}f}"


def _exponent(size: float) -> int:
    """Return the power of ten of a number in two significant digits: -3 for 0.000999, or 0.0010."""
    return int(f"{size:.1e}".partition("e")[2])


def _decimals(error: float, size: float) -> int:
    """Return the decimals of an error in two digits, beside a number of this size."""
    most = DECIMALS + max(0, -1 - _exponent(size))
    return min(max(1 - _exponent(error), 0), most)
