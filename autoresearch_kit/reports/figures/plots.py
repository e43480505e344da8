"""Figures of campaigns, each a `Drawing`. No pyplot, so nothing global is touched."""

from autoresearch_kit.reports.figures.audit import audit
from autoresearch_kit.reports.figures.drawing import FORMATS, render
from autoresearch_kit.reports.figures.loss_curves import loss_curves, read_curve
from autoresearch_kit.reports.figures.progress import progress

__all__ = ["FORMATS", "audit", "loss_curves", "progress", "read_curve", "render"]
