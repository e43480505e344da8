"""Figures of campaigns, and their files. No pyplot, so nothing global is touched."""

from pathlib import Path

from matplotlib.figure import Figure

from autoresearch_kit.atomic import write_atomic
from autoresearch_kit.errors import InputError
from autoresearch_kit.ui.drawing import render
from autoresearch_kit.ui.loss_curves import loss_curves, read_curve
from autoresearch_kit.ui.progress import progress

__all__ = ["FORMATS", "loss_curves", "progress", "read_curve", "render", "save"]

FORMATS = ("png", "svg")


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
