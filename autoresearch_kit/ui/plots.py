"""Figures of campaigns, and their files. No pyplot, so nothing global is touched."""

import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from autoresearch_kit.atomic import write_atomic
from autoresearch_kit.errors import InputError
from autoresearch_kit.ui.loss_curves import loss_curves, read_curve
from autoresearch_kit.ui.progress import progress

__all__ = ["FORMATS", "loss_curves", "progress", "read_curve", "render", "save"]

FORMATS = ("png", "svg")


def render(figure: Figure, kind: str = "png") -> bytes:
    """The figure as the bytes of a PNG or an SVG, the same for the same figure."""
    buffer = io.BytesIO()
    dateless = {"Date": None} if kind == "svg" else {}
    with rc_context({"svg.hashsalt": "autoresearch_kit"}):
        figure.savefig(buffer, format=kind, metadata=dateless)
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write the figure to a .png or .svg file, in whole or not at all.

    Raises:
        InputError: the name ends otherwise, or the file can't be written.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise InputError(f"can't draw into {path}; end its name in .png or .svg")
    try:
        write_atomic(path, render(figure, kind))
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror}; choose another place") from error
