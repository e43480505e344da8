"""A figure that shows itself as the last line of a notebook's cell, without pyplot."""

import io

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 100


class Drawing(Figure):
    """A matplotlib figure of `size` inches, at 100 pixels each; nothing global knows of it."""

    def __init__(self, size: tuple[float, float], *, constrained: bool = False) -> None:
        super().__init__(figsize=size, dpi=DPI, layout="constrained" if constrained else None)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        return render(self)


def render(figure: Figure, kind: str = "png") -> bytes:
    """The figure as the bytes of a PNG or an SVG, the same for the same figure."""
    buffer = io.BytesIO()
    dateless = {"Date": None} if kind == "svg" else {}
    with rc_context({"svg.hashsalt": "autoresearch_kit"}):
        figure.savefig(buffer, format=kind, metadata=dateless)
    return buffer.getvalue()
