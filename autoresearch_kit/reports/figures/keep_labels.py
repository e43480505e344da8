"""Labels of the keeps in the picture of a campaign, moved apart until none overlap."""

import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from autoresearch_kit.records import Metric
from autoresearch_kit.reports.figures.drawing import GREEN, INK, SMALL, drawable, shorten

MOST_LABELS = 24
"""At most so many keeps are labelled: those with the largest gains, the first and the last."""

LABEL_PIXELS = 20_000
"""A label needs so many square pixels of the plot, or the line is not seen for labels."""

LENGTHS = ((8, 60), (MOST_LABELS, 34))
"""Up to so many labels have so many characters at most."""

ADJUSTMENTS = 60
"""Steps in which labels are moved apart."""


def label_keeps(axes: Axes, keeps: pd.DataFrame, metric: Metric) -> None:
    """Label keeps with their ideas; where there is no room, those with the least gain have none."""
    gains = -metric.sign * keeps["score"].diff()
    ends = list(dict.fromkeys([*keeps.index[:1], *keeps.index[-1:]]))
    most = min(MOST_LABELS, max(2, int(axes.bbox.width * axes.bbox.height / LABEL_PIXELS)))
    order = [*ends, *(at for at in gains.nlargest(most).index if at not in ends)][:most]
    if not order:
        return
    length = next(length for many, length in LENGTHS if len(order) <= many)
    # adjustText moves labels apart, but drops none: what still overlaps is removed below
    texts = [_label(axes, keeps.loc[at], length) for at in order]
    points = keeps["x"].to_numpy(float), keeps["score"].to_numpy(float)
    adjust_text(texts, *points, ax=axes, iter_lim=ADJUSTMENTS)
    boxes: list[Bbox] = []
    for at, text in zip(order, texts, strict=True):
        box = text.get_window_extent()
        inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
        if not inside or any(box.overlaps(other) for other in boxes):
            text.remove()
            continue
        boxes.append(box)
        (x, y), row = text.get_position(), keeps.loc[at]
        axes.plot([row["x"], x], [row["score"], y], color=GREEN, lw=0.6, alpha=0.6, zorder=3)


def _label(axes: Axes, row: pd.Series, length: int) -> Text:
    words = shorten(drawable(str(row["idea"])), length)
    text = axes.text(float(row["x"]), float(row["score"]), words, fontsize=SMALL, color=INK)
    text.set(zorder=5, parse_math=False, in_layout=False)
    text.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
    return text
