"""What stands above the picture of a campaign: its name, what was gained, what the marks mean."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from autoresearch_kit.records import Verdict
from autoresearch_kit.records.digits import with_error
from autoresearch_kit.reports.figures.colours import GREEN, GREY, INK
from autoresearch_kit.reports.figures.drawing import drawable

SMALL = 9.0
"""Points; nothing in a figure is written smaller."""

ROW = 22.0
"""Pixels of a line above the plot."""

_WORDS = {
    Verdict.KEEP: "kept",
    Verdict.DISCARD: "discarded",
    Verdict.CRASH: "crashed",
    Verdict.DISTURBED: "disturbed",
}

_FIRST = 24.0  # pixels from the top to the middle of the first


def draw_head(figure: Figure, title: str, captions: Sequence[str]) -> None:
    """The title, and under it the first of these captions that has room, or the last of them."""
    width, height = figure.get_size_inches() * figure.dpi
    left, first, second = 80 / width, 1 - _FIRST / height, 1 - (_FIRST + ROW) / height
    name = figure.text(left, first, drawable(title), fontsize=13, va="center", color=INK)
    name.set(fontweight="bold", parse_math=False)
    line = figure.text(left, second, "", fontsize=SMALL + 1, va="center", color=INK)
    for words in captions:
        line.set_text(words)
        if line.get_window_extent().x1 <= width:
            break


def draw_legend(figure: Figure, off_scale: int, scored: pd.DataFrame) -> None:
    """What the marks say, how many scores are off the scale, and how far the worst is."""
    marks = [("o", GREEN, "kept"), ("o", GREY, "discarded")]
    if off_scale:
        worst = float(scored["val_bpb"].max())
        marks.append(("^", GREY, f"{off_scale} off the scale, up to {worst:.4g}"))
    handles = [
        Line2D([], [], marker=mark, color=colour, label=label, linestyle="")
        for mark, colour, label in marks
    ]
    width, height = figure.get_size_inches() * figure.dpi
    figure.legend(
        handles=handles,
        loc="center right",
        bbox_to_anchor=(1 - 12 / width, 1 - _FIRST / height),
        ncols=len(handles),
        fontsize=SMALL,
        frameon=False,
        handletextpad=0.1,
        columnspacing=1.2,
    )


def draw_row(figure: Figure, handles: Sequence[Artist]) -> None:
    """A line of the legend, under the caption."""
    width, height = figure.get_size_inches() * figure.dpi
    figure.legend(
        handles=list(handles),
        loc="center left",
        bbox_to_anchor=(72 / width, 1 - (_FIRST + 2 * ROW) / height),
        ncols=len(handles),
        fontsize=SMALL,
        frameon=False,
        handletextpad=0.5,
        columnspacing=1.4,
    )


def captions_of(frame: pd.DataFrame) -> list[str]:
    """From what to what, by how much, and in how many experiments: the longest way first."""
    keeps = frame[(frame["status"] == Verdict.KEEP) & frame["val_bpb"].notna()]
    if not len(keeps):
        return [f"{len(frame)} tried, none kept"]
    tried = frame.iloc[1:]
    numbers = {verdict: int((tried["status"] == verdict).sum()) for verdict in Verdict}
    counts = ", ".join(
        f"{number} {_WORDS[verdict]}"
        for verdict, number in numbers.items()
        if number or verdict is not Verdict.DISTURBED
    )
    many = f"{len(tried)} experiment{'' if len(tried) == 1 else 's'} after the baseline"
    first, last = float(keeps["val_bpb"].iloc[0]), float(keeps["val_bpb"].iloc[-1])
    before, after = (
        with_error(float(one["val_bpb"]), float(one["error"]))
        for one in (keeps.iloc[0], keeps.iloc[-1])
    )
    if len(keeps) == 1:
        return [f"baseline {before}   ·   {many}: {counts}", f"baseline {before}"]
    gain = f"{_lower(first, last)}, experiment {keeps['number'].iloc[-1]}"
    found = f"baseline {before} → best {after} ({gain})"
    return [*(f"{found}   ·   {words}: {counts}" for words in (many, f"{len(tried)} tried")), found]


def _lower(first: float, last: float) -> str:
    if last == first:
        return "the same, with less code"
    return f"{(first - last) / first:.2%} lower" if last < first else "no lower"
