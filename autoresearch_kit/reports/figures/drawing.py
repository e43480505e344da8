"""A figure that shows itself as the last line of a notebook's cell, without pyplot."""

import io
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.legend import Legend
from matplotlib.ticker import MaxNLocator

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records.text import in_markdown

GREEN = "#009E73"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
BLUE = "#0072B2"
ORANGE = "#E69F00"
SKY = "#56B4E9"
"""Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), which colour-blind people tell apart;
every state has its own mark as well."""

GREY = "#8C8C8C"
INK = "#333333"

SMALL = 9.0
"""Points; nothing in a figure is written smaller."""

FORMATS = ("png", "svg")
DPI = 100
PRINT_DPI = 300
"""Of files: the resolution that journals ask for."""


class Drawing(Figure):
    """A matplotlib figure of `size` inches, at 100 pixels each, that leaves no global state."""

    def __init__(self, size: tuple[float, float], *, constrained: bool = True) -> None:
        super().__init__(figsize=size, dpi=DPI, layout="constrained" if constrained else None)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        return render(self)

    def save(self, name: str | Path) -> Path:
        """Write a .png file of 300 pixels an inch, or an .svg one, in whole or not at all.

        Raises:
            InputError: the name ends otherwise, or the file can't be written.
        """
        path = Path(name)
        kind = path.suffix.removeprefix(".").lower()
        if kind not in FORMATS:
            raise InputError(f"can't draw into {path}; end its name in .png or .svg")
        try:
            write_atomic(path, render(self, kind, PRINT_DPI))
        except OSError as error:
            raise InputError(
                f"can't write {path}: {error.strerror}; choose another place"
            ) from error
        return path


@dataclass(frozen=True)
class Missing:
    """A sentence in place of a figure or a table, which says why there is none."""

    why: str

    def __str__(self) -> str:
        return self.why

    def _repr_markdown_(self) -> str:
        return in_markdown(self.why)


def render(figure: Figure, kind: str = "png", dpi: int = DPI) -> bytes:
    """Return the figure as a PNG or an SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    dateless = {"Date": None} if kind == "svg" else {}
    with rc_context({"svg.hashsalt": "autoresearch_kit"}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=dateless)
    return buffer.getvalue()


def dress(axes: Axes, x: str, y: str) -> None:
    """Label the axes, and draw no more than a few grey lines besides."""
    axes.set_xlabel(x, parse_math=False)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E6E6E6", lw=0.8)
    axes.set_axisbelow(True)


def count_experiments(axes: Axes) -> None:
    """Put whole numbers on the x axis."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, steps=[1, 2, 5, 10]))


def shorten(idea: str, length: int) -> str:
    """Return the idea on one line of at most `length` characters, cut between words if possible."""
    line = " ".join(idea.split()).replace("->", "→")
    if len(line) <= length:
        return line
    cut = line[: length - 1]
    head, space, _ = cut.rpartition(" ")
    return f"{(head if space and len(head) > length / 2 else cut).rstrip(' ,;:-')}…"


def drawable(text: str) -> str:
    """Return `text` with a box for each character that the font lacks, which would be a warning."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(char if ord(char) in known or char.isspace() else "□" for char in text)


def spell_out(legend: Legend) -> None:
    """Take the legend's names literally: a dollar sign in an idea begins no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)
