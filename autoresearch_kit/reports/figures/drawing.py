"""A figure that shows itself as the last line of a notebook's cell, without pyplot."""

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import Metric
from autoresearch_kit.records.text import in_markdown

GREEN = "#009E73"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
BLUE = "#0072B2"
ORANGE = "#E69F00"
SKY = "#56B4E9"
"""Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), which colour-blind people tell apart;
every state has its own mark as well."""

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)
"""The colours of curves, in an order in which neighbours differ most."""

GREY = "#8C8C8C"
INK = "#333333"
BAND, BAND_EDGE = "#DDF1EA", "#A8DBC9"

SMALL = 9.0  # points; nothing in a figure is written smaller
LEGEND_INCHES = 2.4  # width of a column of the legend, about

DPI, PRINT_DPI = 100, 300  # pixels per inch on screens, and of files: what journals ask for

_LINE = 12.5  # characters of a caption in an inch


class Drawing(Figure):
    """A matplotlib figure of `size` inches, at 100 pixels each, that leaves no global state."""

    def __init__(self, size: tuple[float, float]) -> None:
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.05, hspace=0.0)
        super().__init__(figsize=size, dpi=DPI, layout=layout)
        FigureCanvasAgg(self)

    def draw(self, renderer: RendererBase) -> None:
        """Draw all texts as they are: a dollar sign in an idea begins no formula."""
        for text in self.findobj(Text):
            if isinstance(text, Text):
                text.set(text=drawable(text.get_text()), parse_math=False)
        super().draw(renderer)

    def entitle(self, axes: Axes, title: str, caption: str, colour: str = INK) -> None:
        """Write a title in bold and a caption above the plot, and lay the figure out for good."""
        name = self.suptitle(title, ha="left", fontsize=13, fontweight="bold")
        width = int(_LINE * self.get_figwidth())
        axes.set_title(textwrap.fill(caption, width), loc="left", fontsize=10, color=colour)
        self.draw_without_rendering()
        self.set_layout_engine("none")
        name.set_x(axes.get_position().x0)

    def _repr_png_(self) -> bytes:
        return render(self)

    def save(self, name: str | Path) -> Path:
        """Write a .png file of 300 pixels an inch, or an .svg one, in whole or not at all.

        Raises:
            InputError: the name ends otherwise, or the file can't be written.
        """
        path = Path(name)
        kind = path.suffix.removeprefix(".").lower()
        if kind not in ("png", "svg"):
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
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E6E6E6", lw=0.8)
    axes.set_axisbelow(True)


def draw_legend(figure: Drawing) -> None:
    """Draw each mark's meaning below the plot, once."""
    meanings = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        meanings.values(),
        meanings.keys(),
        loc="outside lower left",
        ncols=min(len(meanings), int(figure.get_figwidth() / LEGEND_INCHES)),
        fontsize=SMALL,
        frameon=False,
    )


def gain_label(metric: Metric) -> str:
    """Return the label of an axis of gains over the baseline."""
    side = "below" if metric.sign > 0 else "above"
    return f"{metric.name} {side} the baseline (higher is better)"


def count_experiments(axes: Axes) -> None:
    """Put whole numbers on the x axis."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, steps=[1, 2, 5, 10]))


def shorten(idea: str, length: int) -> str:
    """Return the idea on one line of at most `length` characters, cut between words if possible."""
    line = idea.replace("->", "→")
    short = textwrap.shorten(line, length, placeholder="…")
    return f"{line.strip()[: length - 1]}…" if short == "…" else short


def drawable(text: str) -> str:
    """Return `text` with a box for each character that the font lacks, which would be a warning."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(char if ord(char) in known or char.isspace() else "□" for char in text)
