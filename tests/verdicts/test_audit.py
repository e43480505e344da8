from collections.abc import Sequence
from dataclasses import replace

import pytest

from autoresearch_kit.records import Experiment, Noise, Run, Score, Verdict
from autoresearch_kit.verdicts.audit import second_opinion
from tests.ledger import ledger

NOISE = Noise(0.01, 5.0)


def scored(val: float, audit: float | None) -> Run:
    made = replace(ledger.run(), score=Score("val_bpb", val, 1.0, 1, 1, 0.0, 1.0))
    if audit is None:
        return made
    return replace(made, audit=Score("audit_bpb", audit, 1.0, 1, 1, 0.0, 1.0))


def experiment(number: int, *runs: Run, verdict: Verdict = Verdict.KEEP) -> Experiment:
    made = ledger.experiment(number, runs[0].score.value if runs[0].score else None, verdict)
    return replace(made, runs=runs, noise=NOISE)


def night(*keeps: tuple[float, float]) -> list[Experiment]:
    return [experiment(number, scored(*pair)) for number, pair in enumerate(keeps)]


def parted(experiments: Sequence[Experiment]) -> list[tuple[int, float]]:
    return [(one.number, round(one.parted, 6)) for one in second_opinion(experiments).keeps]


def test_they_part_by_what_was_gained_on_val_only() -> None:
    assert parted(night((1.5, 1.6), (1.4, 1.5), (1.3, 1.47))) == [(0, 0.0), (1, 0.0), (2, 0.07)]


def test_runs_without_an_audit_do_not_count() -> None:
    runs = scored(1.0, None), scored(1.38, 1.5), scored(1.42, 1.5)
    found = second_opinion([*night((1.5, 1.6)), experiment(1, *runs)])
    assert (found.keeps[1].val, found.keeps[1].audit) == pytest.approx((1.4, 1.5))


def test_discards_and_keeps_without_an_audit_are_left_out() -> None:
    discarded = experiment(1, scored(1.4, 1.4), verdict=Verdict.DISCARD)
    assert parted([*night((1.5, 1.6)), discarded, experiment(2, scored(1.4, None))]) == [(0, 0.0)]


def test_nothing_is_told_without_an_audit_of_the_baseline() -> None:
    found = second_opinion([experiment(0, scored(1.5, None)), experiment(1, scored(1.4, 1.5))])
    assert (found.keeps, found.warning) == ((), "")


def test_an_empty_campaign_has_nothing_amiss() -> None:
    assert second_opinion([]).warning == ""


@pytest.mark.parametrize(("audit", "warned"), [(1.519, False), (1.521, True)])
def test_parting_by_more_than_two_sigma_is_a_warning(audit: float, warned: bool) -> None:
    assert bool(second_opinion(night((1.5, 1.6), (1.4, audit))).warning) is warned


def test_the_warning_has_the_numbers_and_since_when() -> None:
    said = second_opinion(night((1.5, 1.6), (1.45, 1.55), (1.4, 1.55), (1.3, 1.54))).warning
    assert "experiment 3 gained 0.200000 bits per byte on val and 0.060000 on audit" in said
    assert "part by 0.140000, more than 2 sigma (0.020000), since experiment 2" in said


def test_a_best_that_does_not_part_is_no_worry() -> None:
    assert second_opinion(night((1.5, 1.6), (1.4, 1.6), (1.3, 1.4))).warning == ""


def test_the_latest_noise_is_what_counts() -> None:
    first, last = night((1.5, 1.6), (1.4, 1.53))
    assert second_opinion([first, replace(last, noise=Noise(0.02, 5.0))]).warning == ""
    assert second_opinion([replace(first, noise=Noise(0.02, 5.0)), last]).warning != ""


def test_without_a_noise_there_is_no_warning() -> None:
    experiments = [replace(one, noise=None) for one in night((1.5, 1.6), (1.4, 1.9))]
    found = second_opinion(experiments)
    assert (found.allowed, found.warning) == (None, "")
