from dataclasses import fields, replace

import pytest

from autoresearch_kit.decide import (
    KEPT_RUNS,
    MOST_RUNS,
    Decision,
    Sample,
    check_comparable,
    decide,
)
from autoresearch_kit.errors import FingerprintError
from autoresearch_kit.records import Arm, Fingerprint, Noise, Reason, Rule, Verdict

HERE = Fingerprint("c1", "t1", "p1", "s1", "2.13.0", "cpu Xeon")


BEST = Sample((1.2, 1.2, 1.2), nodes=100)
NOISE = Noise(0.01, 20.0)


def judged(gain: float, *, runs: int = 1, nodes: int = 100) -> Decision | Arm:
    return decide(Sample((1.2 - gain,) * runs, nodes), BEST, NOISE, Rule.CAREFUL)


def reason(gain: float, *, runs: int = 1, nodes: int = 100) -> Reason:
    found = judged(gain, runs=runs, nodes=nodes)
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
    decision = decide(Sample((bpb,), nodes), Sample((1.2,), 100), NOISE, Rule.GREEDY)
    assert isinstance(decision, Decision)
    assert (decision.verdict, decision.reason) == (verdict, reason)


def test_clearly_better_is_kept_once_it_has_its_runs() -> None:
    assert [judged(0.05, runs=runs) for runs in (1, 2)] == [Arm.CHALLENGER] * 2
    assert reason(0.05, runs=KEPT_RUNS) is Reason.BETTER


def test_clearly_worse_is_discarded_after_one_run() -> None:
    assert reason(-0.05) is Reason.WORSE


def test_neither_is_discarded_after_one_run_as_no_gain() -> None:
    assert reason(0.0) is Reason.NO_GAIN


def test_in_between_is_run_again() -> None:
    assert judged(0.02) is Arm.CHALLENGER


def test_the_code_with_fewer_runs_is_run_and_the_best_where_both_have_as_many() -> None:
    assert [judged(0.015, runs=runs) for runs in (1, 2, 3)] == [
        Arm.CHALLENGER,
        Arm.CHALLENGER,
        Arm.BEST,
    ]


def test_what_is_open_at_the_limit_is_no_gain() -> None:
    assert reason(0.01, runs=MOST_RUNS) is Reason.NO_GAIN


def test_what_is_likely_at_the_limit_is_kept() -> None:
    assert reason(0.019, runs=MOST_RUNS) is Reason.BETTER


def test_a_tie_is_kept_for_less_code_only_after_all_runs() -> None:
    assert judged(0.0, nodes=90) is Arm.CHALLENGER
    assert reason(0.0, runs=MOST_RUNS, nodes=90) is Reason.SIMPLER


def test_less_code_that_is_worse_is_discarded() -> None:
    assert reason(-0.02, runs=3, nodes=90) is Reason.WORSE


def test_noise_that_is_hardly_known_asks_for_more() -> None:
    unknown = Noise(0.01, 2.0)
    assert decide(Sample((1.15,), 100), BEST, unknown, Rule.CAREFUL) is Arm.CHALLENGER


def test_the_detail_has_the_numbers_and_their_error() -> None:
    found = judged(0.05, runs=3)
    assert isinstance(found, Decision)
    assert found.detail == (
        "1.150000 (mean of 3) against the best's 1.200000 (mean of 3): 0.050000 ± 0.008165 lower"
    )


def test_the_same_fingerprint_compares() -> None:
    check_comparable(HERE, replace(HERE))


@pytest.mark.parametrize("part", [field.name for field in fields(Fingerprint)])
def test_a_difference_is_named_with_a_way_out(part: str) -> None:
    was = getattr(HERE, part)
    with pytest.raises(FingerprintError, match=f"{part} was {was}, is other.*or start another tag"):
        check_comparable(HERE, replace(HERE, **{part: "other"}))  # type: ignore[arg-type]
