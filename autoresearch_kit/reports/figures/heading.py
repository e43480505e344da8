"""The title, caption and legend above the picture of a campaign."""

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from autoresearch_kit.records import Noise, SandboxLevel, Verdict
from autoresearch_kit.records.text import with_error
from autoresearch_kit.reports.figures.drawing import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    SMALL,
    drawable,
)
from autoresearch_kit.reports.rows import OBJECTIVE

BAND, BAND_EDGE = "#DDF1EA", "#A8DBC9"
"""Colours of the band of noise."""

LEGEND_INCHES = 2.7
"""Width of the legend's longest entry."""

ROW = 20.0
"""Pixels of a row of the legend."""

_WORDS = {
    Verdict.KEEP: "kept",
    Verdict.DISCARD: "discarded",
    Verdict.CRASH: "crashed",
    Verdict.DISTURBED: "disturbed",
}


def several(frame: pd.DataFrame) -> pd.Series:
    """Return which marks stand for several runs, whose error is known."""
    return (frame["scores"] > 1) & frame["error"].notna() & frame[OBJECTIVE].notna()


def legend_handles(frame: pd.DataFrame, above: pd.DataFrame, noise: Noise | None) -> list[Artist]:
    """Return what the marks mean, as far as there are any."""
    handles: list[Artist] = [
        _mark("o", "kept", color=GREEN),
        _mark("o", "discarded", color=GREY),
    ]
    if len(above):
        worst = float(above[OBJECTIVE].max())
        handles.append(_mark("^", f"{len(above)} off the scale, up to {worst:.4g}", color=GREY))
    if noise and (frame["status"] == Verdict.KEEP).any():
        label = "19 of 20 runs of the best fall here"
        handles.append(Patch(facecolor=BAND, edgecolor=BAND_EDGE, label=label))
    if several(frame).any():
        handles.append(_mark("|", "mean ± standard error", color=GREY, ms=10, mew=1.4))
    if (frame["status"] == Verdict.DISTURBED).any():
        label = "disturbed: the machine was busy, not judged"
        handles.append(_mark("D", label, mfc="none", mec=BLUE, mew=1.3, ms=5))
    if frame["weaker"].any():
        weak = set(frame["sandbox"][frame["weaker"]])
        label = f"sandbox: {', '.join(level for level in SandboxLevel if level in weak)}"
        handles.append(_mark("o", label, mfc="none", mec=PURPLE, mew=1.3, ms=9))
    return handles


def _mark(marker: str, label: str, **style: object) -> Line2D:
    return Line2D([], [], marker=marker, label=label, ls="", **style)  # type: ignore[arg-type]


def draw_head(figure: Figure, title: str, captions: list[str]) -> None:
    """Draw the title, and below it the first caption that has room, or the last."""
    width, height = figure.get_size_inches() * figure.dpi
    name = figure.text(80 / width, 1 - 24 / height, drawable(title), fontsize=13, va="center")
    name.set(fontweight="bold", parse_math=False)
    for words in captions:
        caption = figure.text(80 / width, 1 - 46 / height, words, fontsize=SMALL + 1, va="center")
        if caption.get_window_extent().x1 <= width or words == captions[-1]:
            return
        caption.remove()


def draw_legend(figure: Figure, handles: list[Artist], columns: int) -> None:
    """Draw the legend below the caption."""
    width, height = figure.get_size_inches() * figure.dpi
    corner = (72 / width, 1 - 54 / height)
    figure.legend(
        handles=handles,
        ncols=columns,
        loc="upper left",
        bbox_to_anchor=corner,
        borderaxespad=0.0,
        fontsize=SMALL,
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.4,
    )


def captions_of(frame: pd.DataFrame) -> list[str]:
    """Return what was gained, in how many experiments: the longest wording first."""
    keeps = frame[(frame["status"] == Verdict.KEEP) & frame[OBJECTIVE].notna()]
    if keeps.empty:
        return [f"{len(frame)} tried, none kept"]
    tried = frame.iloc[1:]
    numbers = {verdict: int((tried["status"] == verdict).sum()) for verdict in Verdict}
    counts = ", ".join(
        f"{number} {_WORDS[verdict]}"
        for verdict, number in numbers.items()
        if number or verdict is not Verdict.DISTURBED
    )
    many = f"{len(tried)} experiment{'' if len(tried) == 1 else 's'} after the baseline"
    before, after = (
        with_error(float(row[OBJECTIVE]), float(row["error"]))
        for row in (keeps.iloc[0], keeps.iloc[-1])
    )
    if len(keeps) == 1:
        return [f"baseline {before}   ·   {many}: {counts}", f"baseline {before}"]
    change = _change(float(keeps[OBJECTIVE].iloc[0]), float(keeps[OBJECTIVE].iloc[-1]))
    gain = f"baseline {before} → best {after} ({change}, experiment {keeps['number'].iloc[-1]})"
    return [*(f"{gain}   ·   {words}: {counts}" for words in (many, f"{len(tried)} tried")), gain]


def _change(first: float, last: float) -> str:
    if last == first:
        return "the same, with less code"
    return f"{(first - last) / first:.2%} lower" if last < first else "no lower"
