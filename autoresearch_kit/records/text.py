"""Words for people: foreign text made fit to be shown, numbers with errors, speeds of runs."""

import math
import re
from collections.abc import Sequence
from statistics import fmean

from autoresearch_kit.records.runs import Run

_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
_MARKUP = str.maketrans({mark: f"&#{ord(mark)};" for mark in "&<>|`*_[]\\~$#"})

UNTYPESET = 'class="mathjax_ignore tex2jax_ignore"'
"""Marks an element whose text MathJax, of either generation, is not to read as formulas."""

DECIMALS = 6
"""Decimals of a number whose error is not known."""

APART = 0.05
"""Runs whose steps differ by more than this share of the most are shown one by one."""


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


def in_markdown(text: str, length: int = 1000) -> str:
    """Return `text` as one line that reads the same in Markdown, in a table too; never markup."""
    return f"<span {UNTYPESET}>{one_line(text, length).translate(_MARKUP)}</span>"


def markdown_table(head: str, rows: list[tuple[str, str]]) -> str:
    """Return names and words as a Markdown table under `head`, all of them in plain text."""
    lines = [f"| {name} | {in_markdown(words)} |" for name, words in rows]
    return "\n".join([f"| **{in_markdown(head)}** | |", "|---|---|", *lines])


def with_error(value: float, error: float | None = None, *, signed: bool = False) -> str:
    """Write `1.2345 ± 0.0012`: the error in two significant digits, the value to the same decimal.

    Six decimals where the error is not known, which is None or NaN. `signed` begins with + or -.
    """
    shown = rounded(value, error, signed=signed)
    if error is None or math.isnan(error):
        return shown
    return f"{shown} ± {error:.{_decimals(error)}f}"


def rounded(value: float, error: float | None, *, signed: bool = False) -> str:
    """Write the value as `with_error` does, without the error."""
    return f"{value:{'+' if signed else ''}.{_decimals(error)}f}"


def _decimals(error: float | None) -> int:
    if error is None or math.isnan(error):
        return DECIMALS
    # the exponent once it is rounded to two digits: 0.000999 becomes 0.0010
    exponent = int(f"{error:.1e}".partition("e")[2])
    return min(max(1 - exponent, 0), DECIMALS)


def steps_apart(runs: Sequence[Run]) -> bool:
    """Return whether the steps of these runs differ so much that a mean would mislead."""
    steps = [run.steps for run in runs]
    return bool(steps) and max(steps) - min(steps) > APART * max(steps)


def speed(runs: Sequence[Run]) -> str:
    """Return `601 steps, 20,510 tokens/s`, means over the runs; empty if none made a step.

    Where their steps are apart, each run's: `601, 620, 314 steps`.
    """
    if steps_apart(runs):
        return f"{', '.join(f'{run.steps:,}' for run in runs)} steps"
    steps = fmean(run.steps for run in runs) if runs else 0
    if not steps:
        return ""
    return f"{steps:,.0f} steps, {fmean(run.tokens_per_second for run in runs):,.0f} tokens/s"


def speed_by_run(runs: Sequence[Run]) -> str:
    """Return `speed`; where steps are apart, with each run's score and tokens/s."""
    if not steps_apart(runs):
        return speed(runs)
    each = (
        f"{f'{run.score.value:.6f}' if run.score else 'no score'} at "
        f"{run.tokens_per_second:,.0f} tokens/s"
        for run in runs
    )
    return f"{speed(runs)} (run by run: {'; '.join(each)})"
