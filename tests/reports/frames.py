"""Campaigns as frames, with extreme ones that a picture must survive."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from autoresearch_kit.reports.tables import frame_of, read_tsv

NAN = float("nan")
Row = tuple[str, float, str]


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Make a frame without errors."""
    table = pd.DataFrame(rows, columns=["status", "score", "idea"])
    table = table.assign(number=range(len(rows)), score_se=NAN, sandbox="", weaker=False)
    table = table.assign(reason="", trusted=False, held=False)
    table = table.assign(finished=np.full(len(rows), "NaT", dtype="datetime64[us]"))
    return table.assign(scores=table["score"].notna().astype(int))


def campaign(count: int, baseline: float = 1.3) -> pd.DataFrame:
    """Return a made-up campaign: noise of 0.01, some crashes, some scores far off."""
    rng = np.random.default_rng(count)
    rows: list[Row] = [("keep", baseline, "baseline")]
    best = baseline
    while len(rows) < count:
        kind, value = rng.random(), min(best, 1.35) + rng.normal(0.004, 0.01)
        if kind < 0.06:
            rows.append(("crash", NAN, "DEPTH 4 -> 8"))
        elif kind < 0.08:
            rows.append(("discard", rng.uniform(2, 6), "EMBEDDING_LR 0.4 -> 3.1"))
        else:
            verdict = "keep" if value < best else "discard"
            rows.append((verdict, value, f"MATRIX_LR 0.04 -> {value:.4f}, WARMDOWN 0.8 -> 0.65"))
            best = min(best, value)
    return frame(rows)


def upstream() -> pd.DataFrame:
    """Return karpathy/autoresearch's own night on an H100."""
    return frame_of(read_tsv(Path(__file__).parents[1] / "data" / "h100_mar8_results.tsv"))


BASELINE: Row = ("keep", 1.3, "baseline")
CASES = {
    "upstream": upstream(),
    "baseline only": frame([BASELINE]),
    "no keep": frame([BASELINE, *[("discard", 1.3 + n / 100, "x") for n in range(1, 7)]]),
    "only crashes": frame([("crash", NAN, "a"), ("crash", NAN, "b")]),
    "crashes after the baseline": frame([BASELINE, *[("crash", NAN, "a")] * 8]),
    "a tie": frame([BASELINE, ("keep", 1.3, "drop the soft cap"), ("discard", 1.3, "x")]),
    "one far off": frame([BASELINE, ("keep", 1.2, "halve the batch"), ("discard", 9.0, "x")]),
    "bad baseline": campaign(60, baseline=5.0),
    "many": campaign(400),
    "odd ideas": frame(
        [BASELINE, ("keep", 1.2, "$\\alpha_{ 学习率 \n🚀"), ("keep", 1.1, "x" * 300)]
    ),
}
