from dataclasses import replace

import pytest

from autoresearch_kit.records import (
    LANGUAGE_MODELLING,
    VAL_BPB,
    Arm,
    Bound,
    Experiment,
    Gain,
    Metric,
    Noise,
    Reason,
    Rule,
    Run,
    Verdict,
)
from autoresearch_kit.verdicts.decide import MOST_RUNS, Decision
from autoresearch_kit.verdicts.pareto import Compared, Rival, decide, front
from autoresearch_kit.verdicts.samples import Best, Sample
from tests.ledger.ledger import experiment, run, score

SPEED = Metric("inference_seconds", unit="s per row", zero_is_floor=True)
NOISES = (Noise(0.01, 20.0), Noise(0.001, 20.0))
KEEP = Decision(Verdict.KEEP, Reason.BETTER, "better")
DISCARD = Decision(Verdict.DISCARD, Reason.WORSE, "worse", Gain(-0.1, 0.01, 20.0))


def around(mean: float, sigma: float, count: int) -> tuple[float, ...]:
    """Return so many scores with this mean and an honest spread."""
    signs = [0.0] * (count % 2) + [0.8 * (-1) ** place for place in range(count - count % 2)]
    return tuple(mean + sigma * sign for sign in signs)


def compared(
    own: tuple[float, float],
    *rivals: tuple[float, float],
    runs: int = 3,
    beside: int = 2,
    merged: bool = False,
) -> Compared:
    """Return an idea and the front, each with a mean of `val_bpb` and of `inference_seconds`."""
    metrics, spreads = (VAL_BPB, SPEED), (0.01, 0.001)
    samples = tuple(
        Sample(around(mean, sigma, runs), 100, metric=metric)
        for mean, sigma, metric in zip(own, spreads, metrics, strict=True)
    )
    bests = [
        tuple(
            Best(
                around(mean, sigma, 3),
                100,
                around(mean, sigma, 0 if number else beside),
                metric=metric,
            )
            for mean, sigma, metric in zip(rival, spreads, metrics, strict=True)
        )
        for number, rival in enumerate(rivals)
    ]
    known = tuple(Rival(number, each) for number, each in enumerate(bests))
    return Compared(samples, known, NOISES, merged=merged)


def reason_of(found: Decision | Arm) -> Reason | Arm:
    return found.reason if isinstance(found, Decision) else found


BEST = (1.2, 0.02)


@pytest.mark.parametrize(
    ("first", "known", "follows"),
    [
        pytest.param(KEEP, compared((1.1, 0.05), BEST), Reason.BETTER, id="the best by the first"),
        pytest.param(DISCARD, compared((1.3, 0.01), BEST), Reason.TRADE_OFF, id="surely faster"),
        pytest.param(DISCARD, compared((1.3, 0.019), BEST), Arm.CHALLENGER, id="maybe faster"),
        pytest.param(DISCARD, compared((1.3, 0.02), BEST), Reason.WORSE, id="a tie is no keep"),
        pytest.param(DISCARD, compared((1.3, 0.03), BEST), Reason.WORSE, id="worse in both"),
        pytest.param(
            DISCARD,
            compared((1.3, 0.01), BEST, (1.25, 0.009)),
            Reason.WORSE,
            id="another of the front is better in both",
        ),
        pytest.param(
            DISCARD,
            compared((1.3, 0.01), BEST, (1.5, 0.009)),
            Reason.TRADE_OFF,
            id="better than another of the front in the first",
        ),
        pytest.param(
            DISCARD, compared((1.3, 0.01), BEST, runs=1, beside=0), Arm.CHALLENGER, id="one run"
        ),
        pytest.param(
            DISCARD, compared((1.3, 0.01), BEST, runs=2, beside=0), Arm.BEST, id="in turn"
        ),
        pytest.param(Arm.BEST, compared((1.2, 0.01), BEST), Arm.BEST, id="the first is open"),
        pytest.param(
            DISCARD,
            compared((1.3, 0.0195), BEST, runs=MOST_RUNS, beside=5),
            Reason.WORSE,
            id="open at the limit",
        ),
        pytest.param(
            DISCARD,
            compared((1.3, 0.018), BEST, runs=3, beside=0, merged=True),
            Reason.TRADE_OFF,
            id="merged code",
        ),
    ],
)
def test_what_no_keep_beats_in_all_is_kept(
    first: Decision | Arm, known: Compared, follows: Reason | Arm
) -> None:
    assert reason_of(decide(first, known, Rule.CAREFUL)) is follows


def test_less_code_is_no_reason_among_several_objectives() -> None:
    simpler = Decision(Verdict.KEEP, Reason.SIMPLER, "the same")
    found = decide(simpler, compared(BEST, BEST, runs=MOST_RUNS, beside=5), Rule.CAREFUL)
    assert reason_of(found) is Reason.NO_GAIN


def test_a_trade_off_says_by_what_it_is_better_than_whom() -> None:
    found = decide(DISCARD, compared((1.3, 0.01), BEST, (1.5, 0.009)), Rule.CAREFUL)
    assert isinstance(found, Decision)
    assert found.gain == DISCARD.gain
    assert found.detail == (
        "worse; but surely better by inference_seconds than 0, 0.010000 s per row lower; by "
        "val_bpb than 1, 0.200000 bits per byte lower"
    )


def test_a_trade_off_must_hold_with_the_claimed_scores() -> None:
    known = compared((1.3, 0.01), BEST)
    first, second = known.own
    claims = replace(second, claimed=around(0.02, 0.001, 4))
    found = decide(DISCARD, replace(known, own=(first, claims)), Rule.CAREFUL)
    assert reason_of(found) is not Reason.TRADE_OFF


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ((1.3, 0.019), Reason.TRADE_OFF),
        ((1.3, 0.02), Reason.WORSE),
        ((1.3, 0.021), Reason.WORSE),
    ],
)
def test_greedily_the_means_decide(own: tuple[float, float], reason: Reason) -> None:
    found = decide(DISCARD, compared(own, BEST, runs=1, beside=0), Rule.GREEDY)
    assert reason_of(found) is reason


TASK = replace(LANGUAGE_MODELLING, objectives=("val_bpb", "inference_seconds"))


def kept(
    number: int, bpb: float, seconds: float | None, reason: Reason = Reason.TRADE_OFF
) -> Experiment:
    """Return a keep with three runs; without `seconds`, of an older version."""
    runs = list[Run]()
    for own in around(bpb, 0.01, 3):
        values = (
            {"val_bpb": own, "inference_seconds": seconds + (own - bpb) / 10} if seconds else {}
        )
        runs.append(replace(run(), score=replace(score(own), values=values)))
    made = replace(experiment(number), runs=tuple(runs), reason=reason)
    return replace(made, against=0 if number else None)


BASELINE = kept(0, 1.2, 0.02, Reason.BASELINE)


def numbers(*experiments: Experiment, bounds: tuple[Bound, ...] = ()) -> list[int]:
    return [each.number for each in front(experiments, replace(TASK, bounds=bounds))]


def test_the_front_is_what_no_other_keep_beats() -> None:
    faster, between, late = kept(1, 1.4, 0.01), kept(2, 1.3, 0.015), kept(3, 1.45, 0.012)
    assert numbers(BASELINE, faster, between, late) == [0, 2, 1]


def test_a_better_best_leaves_the_old_one_out_unless_that_is_faster() -> None:
    assert numbers(BASELINE, kept(1, 1.1, 0.0201, Reason.BETTER)) == [1]
    assert numbers(BASELINE, kept(1, 1.1, 0.03, Reason.BETTER)) == [1, 0]


def test_the_front_leaves_out_what_breaks_a_bound_but_never_the_best() -> None:
    faster, bound = kept(1, 1.4, 0.01), Bound("val_bpb", 1.3)
    assert numbers(BASELINE, faster, bounds=(bound,)) == [0]
    assert numbers(BASELINE, faster, bounds=(Bound("inference_seconds", 0.015),)) == [0, 1]


def test_older_records_have_a_front_of_their_best() -> None:
    assert numbers(kept(0, 1.2, None, Reason.BASELINE)) == [0]
    assert front([], TASK) == []
