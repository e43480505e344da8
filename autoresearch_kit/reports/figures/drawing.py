"""A figure that shows itself as the last line of a notebook's cell, without pyplot."""

import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.legend import Legend

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.atomic import write_atomic

FORMATS = ("png", "svg")
DPI = 100
PRINT_DPI = 300
"""Of files: what journals ask of a picture in pixels."""


class Drawing(Figure):
    """A matplotlib figure of `size` inches, at 100 pixels each; nothing global knows of it."""

    def __init__(self, size: tuple[float, float], *, constrained: bool = False) -> None:
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


def render(figure: Figure, kind: str = "png", dpi: int = DPI) -> bytes:
    """The figure as the bytes of a PNG or an SVG, the same for the same figure."""
    buffer = io.BytesIO()
    dateless = {"Date": None} if kind == "svg" else {}
    with rc_context({"svg.hashsalt": "autoresearch_kit"}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=dateless)
    return buffer.getvalue()


def shorten(idea: str, length: int) -> str:
    """The idea on one line of at most `length` characters, cut between words where it can be."""
    line = " ".join(idea.split()).replace("->", "→")
    if len(line) <= length:
        return line
    cut = line[: length - 1]
    head, space, _ = cut.rpartition(" ")
    return f"{(head if space and len(head) > length / 2 else cut).rstrip(' ,;:-')}…"


def drawable(text: str) -> str:
    """`text` with a box for each character that the font hasn't, which would be a warning each."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(char if ord(char) in known or char.isspace() else "□" for char in text)


def spell_out(legend: Legend) -> None:
    """Take the legend's names as they are: in an idea, a dollar sign begins no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)
