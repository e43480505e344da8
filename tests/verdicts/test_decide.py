from dataclasses import replace

import pytest

from autoresearch_kit.records import Arm, Gain, Noise, Reason, Rule, Verdict
from autoresearch_kit.verdicts.decide import (
    MARGIN,
    MOST_RUNS,
    Best,
    Decision,
    Sample,
    decide,
    possible_loss,
    possible_losses,
)
from tests.ledger.ledger import experiment

OLD = (1.2, 1.19, 1.21)
NOISE = Noise(0.01, 20.0)


def around(mean: float, count: int) -> tuple[float, ...]:
    """So many scores with this mean and an honest spread."""
    spread = [0.008 * (-1) ** place for place in range(count - count % 2)]
    return tuple(mean + one for one in [0.0] * (count % 2) + spread)


def judged(
    gain: float, *, runs: int = 1, beside: int = 0, nodes: int = 100, lost: float = 0.0
) -> Decision | Arm:
    best = Best(OLD, 100, around(1.2, beside), lost)
    return decide(Sample(around(1.2 - gain, runs), nodes), best, NOISE, Rule.CAREFUL)


def reason(
    gain: float, *, runs: int = 1, beside: int = 0, nodes: int = 100, lost: float = 0.0
) -> Reason:
    found = judged(gain, runs=runs, beside=beside, nodes=nodes, lost=lost)
    assert isinstance(found, Decision)
    return found.reason


@pytest.mark.parametrize(
    ("bpb", "nodes", "verdict", "reason"),
    [
        (1.199999, 900, Verdict.KEEP, Reason.BETTER),
        (1.200001, 10, Verdict.DISCARD, Reason.WORSE),
        (1.2, 99, Verdict.KEEP, Reason.SIMPLER),
        (1.2, 100, Verdict.DISCARD, Reason.NO_GAIN),
        (1.2, 101, Verdict.DISCARD, Reason.NO_GAIN),
        (1.2000004, 99, Verdict.KEEP, Reason.SIMPLER),
        (1.1999996, 101, Verdict.DISCARD, Reason.NO_GAIN),
    ],
)
def test_greedily_lower_is_better_and_ties_go_to_less_code(
    bpb: float, nodes: int, verdict: Verdict, reason: Reason
) -> None:
    decision = decide(Sample((bpb,), nodes), Best((1.2,), 100), NOISE, Rule.GREEDY)
    assert isinstance(decision, Decision)
    assert (decision.verdict, decision.reason) == (verdict, reason)


def test_a_likely_keep_is_run_in_turn_with_the_best() -> None:
    asked = [judged(0.05, runs=runs, beside=beside) for runs, beside in ((1, 0), (2, 0), (2, 1))]
    assert asked == [Arm.CHALLENGER, Arm.BEST, Arm.CHALLENGER]


def test_clearly_better_is_kept_once_both_have_their_runs() -> None:
    assert judged(0.05, runs=3, beside=1) is Arm.BEST
    assert reason(0.05, runs=3, beside=2) is Reason.BETTER


def test_many_old_runs_of_the_best_spare_it_no_rerun() -> None:
    known = Best(around(1.2, 40), 100)
    assert decide(Sample(around(1.1, 6)[:2], 100), known, NOISE, Rule.CAREFUL) is Arm.BEST


def test_old_runs_of_the_best_do_not_decide() -> None:
    """The machine got faster since: what is beside the idea is as good."""
    best = Best((1.25, 1.24, 1.26), 100, around(1.2, 2))
    found = decide(Sample(around(1.2, 3), 100), best, NOISE, Rule.CAREFUL)
    assert isinstance(found, Decision)
    assert found.reason is Reason.NO_GAIN


def test_the_run_that_an_idea_was_picked_by_does_not_decide() -> None:
    best = Best(OLD, 100, around(1.2, 2))
    lucky = Sample((1.0, *around(1.2, 2)), 100)
    found = decide(lucky, best, NOISE, Rule.CAREFUL)
    assert isinstance(found, Decision)
    assert found.verdict is Verdict.DISCARD


def test_clearly_worse_is_discarded_after_one_run() -> None:
    assert reason(-0.05) is Reason.WORSE


def test_neither_is_discarded_after_one_run_as_no_gain() -> None:
    assert reason(0.0) is Reason.NO_GAIN


def test_in_between_is_run_again() -> None:
    assert judged(0.02) is Arm.CHALLENGER
    assert judged(0.015, runs=3, beside=2) is Arm.CHALLENGER


def test_what_is_open_at_the_limit_is_no_gain() -> None:
    assert reason(0.01, runs=MOST_RUNS, beside=4) is Reason.NO_GAIN


def test_what_is_likely_at_the_limit_is_kept() -> None:
    assert reason(0.016, runs=MOST_RUNS, beside=4) is Reason.BETTER


def test_a_best_that_can_not_be_run_again_is_judged_by_its_old_runs() -> None:
    assert reason(0.05, runs=MOST_RUNS) is Reason.BETTER


def test_repeats_that_agree_too_well_count_as_one_run() -> None:
    best = Best(OLD, 100, around(1.2, 2))
    judged = [
        decide(Sample((1.2 - gain,) * 3, 100), best, NOISE, Rule.CAREFUL) for gain in (0.03, 0.05)
    ]
    assert [one.verdict for one in judged if isinstance(one, Decision)] == [
        Verdict.DISCARD,
        Verdict.KEEP,
    ]


def test_less_code_that_loses_half_a_sigma_is_not_kept_as_a_tie() -> None:
    assert reason(-MARGIN * NOISE.sigma, runs=MOST_RUNS, beside=4, nodes=90) is Reason.NO_GAIN


def test_less_code_is_kept_where_no_loss_is_shown() -> None:
    assert judged(0.0, nodes=90) is Arm.CHALLENGER
    assert reason(0.008, runs=MOST_RUNS, beside=4, nodes=90) is Reason.SIMPLER
    assert reason(0.008, runs=MOST_RUNS, beside=4) is Reason.NO_GAIN


def test_less_code_that_is_worse_is_discarded() -> None:
    assert reason(-0.02, runs=3, beside=2, nodes=90) is Reason.WORSE


def test_what_earlier_keeps_for_less_code_may_have_lost_is_taken_off() -> None:
    lost = 0.8 * MARGIN * NOISE.sigma
    assert reason(0.008, runs=MOST_RUNS, beside=4, nodes=90, lost=lost) is Reason.NO_GAIN


def test_possible_losses_add_up_until_a_keep_is_better() -> None:
    gain = Gain(0.0, 0.01, 1e9)
    better = replace(experiment(1), gain=gain)
    simpler = replace(experiment(2), reason=Reason.SIMPLER, gain=gain)
    assert possible_loss(gain) == pytest.approx(0.01645, abs=1e-5)
    assert possible_losses([experiment(0), better]) == 0
    assert possible_losses([better, simpler, simpler]) == pytest.approx(0.0329, abs=1e-4)
    assert possible_losses([simpler, better]) == 0


def test_noise_that_is_hardly_known_asks_for_more() -> None:
    unknown, best = Noise(0.01, 2.0), Best(OLD, 100, around(1.2, 2))
    assert decide(Sample(around(1.15, 3), 100), best, unknown, Rule.CAREFUL) is Arm.CHALLENGER


def test_the_detail_has_the_numbers_and_their_error() -> None:
    found = judged(0.05, runs=3, beside=2)
    assert isinstance(found, Decision)
    assert found.detail == (
        "1.150000 (mean of 2) against the best's 1.200000 (mean of 2) beside it: "
        "0.050000 ± 0.010000 lower"
    )
    assert found.gain is not None
    assert found.gain.value == pytest.approx(0.05)
    assert found.gain.error == pytest.approx(0.01)
