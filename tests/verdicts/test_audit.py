"""The held-out audit: gains on val that the audit shard does not confirm."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from autoresearch_kit.records import Experiment, Metric, Noise, Run, Task, Verdict
from autoresearch_kit.verdicts.audit import second_opinion
from tests.ledger import ledger

NOISE = Noise(0.01, 5.0)


def scored(val: float, audit: float | None) -> Run:
    return replace(ledger.run(value=val), audit=None if audit is None else ledger.score(audit))


def experiment(number: int, *runs: Run, verdict: Verdict = Verdict.KEEP) -> Experiment:
    return replace(ledger.experiment(number, 1.0, verdict), runs=runs, noise=NOISE)


def night(*keeps: tuple[float, float | None]) -> list[Experiment]:
    return [experiment(number, scored(*pair)) for number, pair in enumerate(keeps)]


def parted(experiments: Sequence[Experiment]) -> list[tuple[int, float]]:
    return [(keep.number, round(keep.parted, 6)) for keep in second_opinion(experiments).keeps]


def test_keeps_part_by_what_was_gained_on_val_only() -> None:
    assert parted(night((1.5, 1.6), (1.4, 1.5), (1.3, 1.47))) == [(0, 0.0), (1, 0.0), (2, 0.07)]


def test_runs_and_experiments_without_an_audit_are_left_out() -> None:
    runs = scored(1.0, None), scored(1.38, 1.5), scored(1.42, 1.5)
    discarded = experiment(2, scored(1.4, 1.4), verdict=Verdict.DISCARD)
    never = experiment(3, scored(1.4, None))
    opinion = second_opinion([*night((1.5, 1.6)), experiment(1, *runs), discarded, never])
    assert [keep.number for keep in opinion.keeps] == [0, 1]
    assert (opinion.keeps[1].val, opinion.keeps[1].audit) == pytest.approx((1.4, 1.5))


@pytest.mark.parametrize("keeps", [[], [(1.5, None), (1.4, 1.5)]])
def test_without_an_audit_of_the_baseline_there_is_no_warning(
    keeps: list[tuple[float, float | None]],
) -> None:
    opinion = second_opinion(night(*keeps))
    assert (opinion.keeps, opinion.warning) == ((), "")


def test_the_warning_has_the_numbers_and_the_experiment() -> None:
    said = second_opinion(night((1.5, 1.6), (1.45, 1.55), (1.4, 1.55), (1.3, 1.54))).warning
    assert "experiment 3 gained 0.200000 bits per byte on val and 0.060000 on audit" in said
    assert "part by 0.140000, more than 2 sigma (0.020000), since experiment 2" in said


NARROW, WIDE = Noise(0.01, 5.0), Noise(0.02, 5.0)


@pytest.mark.parametrize(
    ("audits", "noises", "warned"),
    [
        ((1.6, 1.519), (NARROW, NARROW), False),
        ((1.6, 1.521), (NARROW, NARROW), True),
        ((1.6, 1.53), (NARROW, WIDE), False),
        ((1.6, 1.53), (WIDE, NARROW), True),
        ((1.6, 1.9), (None, None), False),
        ((1.6, 1.6, 1.4), (NARROW,) * 3, False),
    ],
    ids=["within", "beyond", "the latest is wide", "or narrow", "no noise", "the best agrees"],
)
def test_parting_by_more_than_two_of_the_latest_sigma_warns(
    audits: tuple[float, ...], noises: tuple[Noise | None, ...], warned: bool
) -> None:
    keeps = night(*zip((1.5, 1.4, 1.3), audits, strict=False))
    experiments = [replace(keep, noise=noise) for keep, noise in zip(keeps, noises, strict=True)]
    assert bool(second_opinion(experiments).warning) is warned


def test_no_gains_part_by_less_than_their_own_standard_errors() -> None:
    task = Task("pets", (Metric("error"),), ("error",), folder="pets")
    settings = replace(ledger.SETTINGS, task=task)
    keeps = [replace(keep, settings=settings) for keep in night((1.5, 1.6), (1.4, 1.56))]
    said = second_opinion(keeps).warning
    assert "0.100000 of error on hidden/ and 0.040000 on audit" in said
    [run] = keeps[1].runs
    assert run.score
    uncertain = replace(run, score=replace(run.score, errors={"error": 0.04}))
    assert not second_opinion([keeps[0], replace(keeps[1], runs=(uncertain,))]).warning


def test_keeps_are_in_the_order_of_finishing() -> None:
    first, early, late = night((1.5, 1.6), (1.3, 1.5), (1.4, 1.5))
    early = replace(early, finished="2026-03-08T22:00:00+00:00")
    assert [keep.number for keep in second_opinion([first, early, late]).keeps] == [0, 2, 1]
