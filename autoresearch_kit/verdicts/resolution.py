"""The resolution of a metric that takes only some values, such as the share of 360 hidden rows.

Runs of one code often have exactly the same score by such a metric, by chance. Its step is taken to
be the smallest difference between two scores of a campaign. Scores that vary continuously soon have
two that lie close together, so that theirs is next to nothing. The baseline's scores are among
them, so that no edited code can make it coarser than those say.
"""

from collections.abc import Iterable
from itertools import pairwise

from autoresearch_kit.verdicts.robust_sigma import EXACT


def resolution(scores: Iterable[float]) -> float:
    """Return the smallest difference between scores that are not the same; 0 if all are."""
    different = sorted(set(scores))
    steps = (after - before for before, after in pairwise(different))
    same = EXACT * max(map(abs, different), default=0.0)
    return min((step for step in steps if step > same), default=0.0)
