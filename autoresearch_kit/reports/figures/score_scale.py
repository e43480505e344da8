"""The scale of scores in figures: which are shown, and how high the band of noise is."""

import math

import numpy as np
import pandas as pd

from autoresearch_kit.records import Metric, Noise, Verdict
from autoresearch_kit.reports.tables import UPSTREAM
from autoresearch_kit.verdicts.noise import reach

ALONE = 0.01  # share of a single score that is shown around it; of 0, all
MARGIN = 0.12  # share of the scale above and below it: room for labels


def find_scale(
    scored: pd.DataFrame, noise: Noise | None = None, metric: Metric = UPSTREAM
) -> tuple[float, float]:
    """Return the lowest and highest score to show: broken ones must not flatten the rest.

    Scores up to 4 times as far from the best as the median are shown, and keeps up to 10 times,
    since their way is what the picture is about; with the band around them.
    """
    if scored.empty:
        return 0.0, 1.0
    values, kept = metric.sign * scored["score"], scored["status"] == Verdict.KEEP
    best = float(values.min())
    # where half of all are as good as the best, the median is the best
    spread = float(values.median()) - best or float(values.max()) - best
    shown = scored[(values <= best + 4 * spread) | (kept & (values <= best + 10 * spread))]
    low, high = float(shown["score"].min()), float(shown["score"].max())
    if high == low:
        alone = ALONE * abs(low) or 1.0
        low, high = low - alone, high + alone
    keeps = shown[shown["status"] == Verdict.KEEP]
    if noise and len(keeps):
        reaches = half_bands(keeps, noise) if noise.sigma else keeps["score_se"].fillna(0.0)
        low = min(low, float((keeps["score"] - reaches).min()))
        high = max(high, float((keeps["score"] + reaches).max()))
    return max(low, floor(metric)), high


def floor(metric: Metric) -> float:
    """Return the least value that a band of noise may show: no metric falls below its floor."""
    return 0.0 if metric.zero_is_floor else -math.inf


def half_bands(keeps: pd.DataFrame, noise: Noise) -> np.ndarray:
    """Return half the height of the band from each keep on."""
    return np.array([reach(noise, int(scores)) for scores in keeps["scores"]])
