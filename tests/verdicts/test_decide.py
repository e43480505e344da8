from dataclasses import replace

import pytest

from autoresearch_kit.records import Arm, Gain, Noise, Reason, Rule, Verdict
from autoresearch_kit.verdicts.decide import MARGIN, MOST_RUNS, Decision, decide
from autoresearch_kit.verdicts.gains import possible_loss, possible_losses
from autoresearch_kit.verdicts.samples import Best, Sample
from tests.ledger.ledger import experiment

OLD = (1.2, 1.19, 1.21)
NOISE = Noise(0.01, 20.0)


def around(mean: float, count: int) -> tuple[float, ...]:
    """Return so many scores with this mean and an honest spread."""
    spread = [0.008 * (-1) ** place for place in range(count - count % 2)]
    return tuple(mean + one for one in [0.0] * (count % 2) + spread)


def judged(
    gain: float, *, runs: int = 1, beside: int = 0, nodes: int = 100, lost: float = 0.0
) -> Decision | Arm:
    best = Best(OLD, 100, around(1.2, beside), lost)
    return decide(Sample(around(1.2 - gain, runs), nodes), best, NOISE, Rule.CAREFUL)


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


@pytest.mark.parametrize(
    ("gain", "runs", "beside", "nodes", "follows"),
    [
        pytest.param(-0.05, 1, 0, 100, Reason.WORSE, id="clearly worse, after one run"),
        pytest.param(0.0, 1, 0, 100, Reason.NO_GAIN, id="neither, after one run"),
        pytest.param(0.02, 1, 0, 100, Arm.CHALLENGER, id="in between"),
        pytest.param(0.05, 1, 0, 100, Arm.CHALLENGER, id="likely, in turn with the best"),
        pytest.param(0.05, 2, 0, 100, Arm.BEST, id="in turn with the best, 2"),
        pytest.param(0.05, 2, 1, 100, Arm.CHALLENGER, id="in turn with the best, 3"),
        pytest.param(0.05, 3, 1, 100, Arm.BEST, id="in turn with the best, 4"),
        pytest.param(0.05, 1, 4, 100, Arm.CHALLENGER, id="the best has runs, the idea one"),
        pytest.param(0.05, 2, 4, 100, Arm.CHALLENGER, id="the best has runs, the idea two"),
        pytest.param(0.05, 3, 2, 100, Reason.BETTER, id="clearly better, once both have runs"),
        pytest.param(0.015, 3, 2, 100, Arm.CHALLENGER, id="in between, once both have runs"),
        pytest.param(0.01, MOST_RUNS, 4, 100, Reason.NO_GAIN, id="open at the limit"),
        pytest.param(0.016, MOST_RUNS, 4, 100, Reason.BETTER, id="likely at the limit"),
        pytest.param(0.05, MOST_RUNS, 0, 100, Reason.BETTER, id="a best that can't be run again"),
        pytest.param(0.0, 1, 0, 90, Arm.CHALLENGER, id="less code, a tie"),
        pytest.param(0.008, MOST_RUNS, 4, 90, Reason.SIMPLER, id="less code, no loss shown"),
        pytest.param(0.008, MOST_RUNS, 4, 100, Reason.NO_GAIN, id="as much code, no loss shown"),
        pytest.param(-0.005, MOST_RUNS, 4, 90, Reason.NO_GAIN, id="less code, half a sigma worse"),
        pytest.param(-0.02, 3, 2, 90, Reason.WORSE, id="less code, worse"),
    ],
)
def test_a_gain_is_judged_by_runs_made_together(
    gain: float, runs: int, beside: int, nodes: int, follows: Reason | Arm
) -> None:
    found = judged(gain, runs=runs, beside=beside, nodes=nodes)
    assert (found.reason if isinstance(found, Decision) else found) is follows


@pytest.mark.parametrize(
    ("claimed", "beside", "follows"),
    [
        ((), (), Reason.BETTER),
        (around(1.15, 4), (), Reason.BETTER),
        (around(1.19, 4), (), Arm.BEST),
        (around(1.25, 4), (), Reason.FEWER_STEPS),
        ((), around(1.1, 4), Reason.FEWER_STEPS),
    ],
)
def test_a_keep_must_hold_with_the_claimed_scores(
    claimed: tuple[float, ...], beside: tuple[float, ...], follows: Reason | Arm
) -> None:
    best = Best(OLD, 100, around(1.2, 2), claimed=beside)
    found = decide(Sample(around(1.15, 3), 100, claimed=claimed), best, NOISE, Rule.CAREFUL)
    assert (found.reason if isinstance(found, Decision) else found) is follows


@pytest.mark.parametrize(
    ("gain", "runs", "nodes", "follows"),
    [
        pytest.param(0.05, 2, 100, Arm.CHALLENGER, id="clearly better, too few runs"),
        pytest.param(0.02, 3, 100, Reason.BETTER, id="better"),
        pytest.param(0.005, 3, 100, Arm.CHALLENGER, id="in between"),
        pytest.param(-0.001, 3, 100, Reason.NO_GAIN, id="not better"),
        pytest.param(-0.03, 3, 100, Reason.WORSE, id="worse"),
        pytest.param(0.005, MOST_RUNS, 100, Reason.NO_GAIN, id="in between at the limit"),
        pytest.param(0.0075, MOST_RUNS, 90, Reason.SIMPLER, id="less code, no loss shown"),
    ],
)
def test_merged_code_is_judged_by_its_own_runs(
    gain: float, runs: int, nodes: int, follows: Reason | Arm
) -> None:
    best, merged = Best(around(1.2, 6), 100), Sample(around(1.2 - gain, runs), nodes)
    found = decide(merged, best, NOISE, Rule.CAREFUL, merged=True)
    assert (found.reason if isinstance(found, Decision) else found) is follows


def test_a_merged_keep_must_hold_with_the_claimed_scores() -> None:
    merged = Sample(around(1.15, 3), 100, claimed=around(1.25, 4))
    found = decide(merged, Best(OLD, 100), NOISE, Rule.CAREFUL, merged=True)
    assert isinstance(found, Decision)
    assert found.verdict is Verdict.DISTURBED


@pytest.mark.parametrize(("gain", "kept"), [(0.03, True), (0.012, False)])
def test_merged_runs_that_agree_too_well_count_as_one(gain: float, kept: bool) -> None:
    merged = Sample((1.2 - gain,) * 3, 100)
    found = decide(merged, Best(around(1.2, 6), 100), NOISE, Rule.CAREFUL, merged=True)
    assert isinstance(found, Decision)
    assert (found.verdict is Verdict.KEEP) == kept


def test_greedily_one_run_of_merged_code_decides() -> None:
    found = decide(Sample((1.1999,), 100), Best((1.2,), 100), NOISE, Rule.GREEDY, merged=True)
    assert isinstance(found, Decision)
    assert found.verdict is Verdict.KEEP


def test_many_old_runs_of_the_best_spare_it_no_rerun() -> None:
    known = Best(around(1.2, 40), 100)
    assert decide(Sample(around(1.1, 6)[:2], 100), known, NOISE, Rule.CAREFUL) is Arm.BEST


def test_old_runs_of_the_best_do_not_decide() -> None:
    """The machine got faster since: what is beside the idea is as good."""
    best = Best((1.25, 1.24, 1.26), 100, around(1.2, 2))
    found = decide(Sample(around(1.2, 3), 100), best, NOISE, Rule.CAREFUL)
    assert isinstance(found, Decision)
    assert found.reason is Reason.NO_GAIN


def test_the_run_an_idea_was_picked_by_decides_nothing() -> None:
    best = Best(OLD, 100, around(1.2, 2))
    lucky = Sample((1.0, *around(1.2, 2)), 100)
    found = decide(lucky, best, NOISE, Rule.CAREFUL)
    assert isinstance(found, Decision)
    assert found.verdict is Verdict.DISCARD


def test_repeats_that_agree_too_well_count_as_one_run() -> None:
    best = Best(OLD, 100, around(1.2, 2))
    judged = [
        decide(Sample((1.2 - gain,) * 3, 100), best, NOISE, Rule.CAREFUL) for gain in (0.03, 0.05)
    ]
    assert [one.verdict for one in judged if isinstance(one, Decision)] == [
        Verdict.DISCARD,
        Verdict.KEEP,
    ]


def test_earlier_losses_for_less_code_are_taken_off() -> None:
    lost = 0.8 * MARGIN * NOISE.sigma
    found = judged(0.008, runs=MOST_RUNS, beside=4, nodes=90, lost=lost)
    assert isinstance(found, Decision)
    assert found.reason is Reason.NO_GAIN


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
        "val_bpb 1.150000 (mean of 2) against the best's 1.200000 (mean of 2) beside it: "
        "0.050000 ± 0.010000 bits per byte lower"
    )
    assert found.gain is not None
    assert found.gain.value == pytest.approx(0.05)
    assert found.gain.error == pytest.approx(0.01)
