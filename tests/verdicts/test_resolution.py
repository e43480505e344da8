"""Metrics that take only some values, and the luck of runs that agree by them."""

import numpy as np
import pytest

from autoresearch_kit.records import KIT_METRICS, Arm, Metric, Noise, Reason, Rule
from autoresearch_kit.verdicts import noise
from autoresearch_kit.verdicts.decide import Decision, decide
from autoresearch_kit.verdicts.gains import error_of_mean
from autoresearch_kit.verdicts.resolution import resolution
from autoresearch_kit.verdicts.robust_sigma import Group
from autoresearch_kit.verdicts.runs_by_code import BASELINE
from autoresearch_kit.verdicts.samples import Best, Sample

ROWS = 360
ERROR = Metric("error", zero_is_floor=True)


def share(*wrong: int) -> tuple[float, ...]:
    return tuple(count / ROWS for count in wrong)


def follows(own: tuple[float, ...], beside: tuple[float, ...], known: Noise, nodes: int = 9) -> str:
    best = Best(share(11, 11, 11, 11, 11), 9, beside, metric=ERROR)
    found = decide(Sample(own, nodes, metric=ERROR), best, known, Rule.CAREFUL)
    return f"{found.reason}: {found.detail}" if isinstance(found, Decision) else found


@pytest.mark.parametrize(
    ("scores", "step"),
    [
        (share(11, 10), 1 / ROWS),
        (share(12, 9, 9, 10), 1 / ROWS),
        (tuple(float(np.float32(each)) for each in share(349, 350, 353)), 1 / ROWS),
        ((0.5, 0.5 + 1e-12, 0.25), 0.25),
        (share(11, 11, 11), 0.0),
        ((), 0.0),
    ],
)
def test_the_smallest_difference_is_the_step(scores: tuple[float, ...], step: float) -> None:
    assert resolution(scores) == pytest.approx(step, rel=1e-4)


def test_edited_code_makes_no_step_coarser() -> None:
    assert resolution([*share(11, 12), *share(0, 110) * 9]) == pytest.approx(1 / ROWS)


def test_runs_that_may_agree_by_chance_are_not_given_up() -> None:
    for step, reason in ((1 / ROWS, Arm.CHALLENGER), (0.0, "no gain")):
        known = Noise(1.5 / ROWS, 20.0, step)
        assert follows(share(8, 8, 8), share(11, 11), known).partition(":")[0] == reason


def test_runs_that_may_agree_by_chance_are_kept_as_one_at_most() -> None:
    known = Noise(1.5 / ROWS, 20.0, 1 / ROWS)
    assert "count as one" in follows(share(8, *[8] * 5), share(11, 12, 10, 11, 11), known)
    assert "count as one" not in follows(share(8, 8, 8, 8, 7, 9), share(11, 12, 10, 11, 11), known)


def test_runs_of_the_best_that_may_agree_by_chance_count_each() -> None:
    known = Noise(1.5 / ROWS, 20.0, 1 / ROWS)
    for scores, counted in ((share(11, 11, 11), 3), (share(11, *[11] * 5), 1)):
        assert error_of_mean(scores, known) == pytest.approx(known.sigma / counted**0.5)


def test_all_runs_of_the_baseline_may_agree_by_luck() -> None:
    baseline = share(11, 11, 11, 11, 11)
    known = noise.measured(
        ERROR, baseline, [Group(BASELINE, baseline)], accelerator=False, others=share(10)
    )
    assert known is not None
    assert (known.sigma, known.dof) == (0.0, 4.0)
    assert known.step == pytest.approx(1 / ROWS)
    assert noise.describe(Noise(0.0, 4.0, 0.003)).endswith("; a difference of 0.0030 may be luck")


def test_the_number_of_nodes_is_no_matter_of_luck() -> None:
    baseline, metric = (500.0,) * 5, KIT_METRICS["nodes"]
    groups = [Group(BASELINE, baseline)]
    known = noise.measured(metric, baseline, groups, accelerator=False, others=[499.0])
    assert known == Noise(0.0, 4.0)


@pytest.mark.parametrize(
    ("own", "beside", "reason"),
    [
        (share(10), (), Arm.CHALLENGER),
        (share(10, 10, 10), share(11, 11), Arm.CHALLENGER),
        (share(10, 10, 10, 11, 11, 11), share(11, 11, 11, 11, 11), Reason.NO_GAIN),
        (share(10, 10, 10, 10, 10, 10), share(11, 11, 11, 11, 11), Reason.BETTER),
        (share(3, 3, 3), share(11, 11), Reason.BETTER),
        (share(12), (), Reason.WORSE),
    ],
)
def test_the_luck_of_one_row_is_not_kept(
    own: tuple[float, ...], beside: tuple[float, ...], reason: Reason | Arm
) -> None:
    assert follows(own, beside, Noise(0.0, 4.0, 1 / ROWS)).partition(":")[0] == reason


def test_less_code_is_kept_where_all_runs_agree() -> None:
    known = Noise(0.0, 4.0, 1 / ROWS)
    assert follows(share(11, 11, 11), share(11, 11), known, nodes=8).startswith("simpler")
