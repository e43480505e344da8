from dataclasses import replace

import pytest

from autoresearch_kit.records import (
    Conditions,
    GpuConditions,
    Reason,
    Run,
    SandboxLevel,
    Score,
    Settings,
)
from autoresearch_kit.validity import MARGIN, usual_elsewhere, why_invalid

SETTINGS = Settings("stdlib", 300.0, 660.0, 60.0, 4000.0, "optuna", "cpu", max_elsewhere=0.3)
QUIET = Conditions(0.05, 2.1)
BUSY = Conditions(0.42, 3.9, "stress (0.8 cores)")
GPU = GpuConditions("H100", 1700.0, 1980.0, 61.0, 0.0, 0)
SCORE = Score("val_bpb", 1.2, 1.0, 1, 1, 0.0, 1.0)
RUN = Run(1, SCORE, None, "", 300.0, 0.0, 320.0, 1000, 3_000_000, 800.0, SandboxLevel.NONE,
          conditions=QUIET)  # fmt: skip


def failed(reason: Reason, seen: Conditions | None) -> Run:
    return replace(RUN, score=None, failure=reason, conditions=seen)


def on(gpu: GpuConditions) -> Run:
    return replace(RUN, conditions=replace(QUIET, gpus=(GPU, gpu)))


@pytest.mark.parametrize(
    "run",
    [
        RUN,
        replace(RUN, conditions=replace(BUSY, elsewhere=0.3)),
        replace(RUN, conditions=None),
        on(replace(GPU, throttled=0.5)),
        failed(Reason.OVER_BUDGET, QUIET),
        failed(Reason.DEADLINE, None),
        failed(Reason.ERROR, BUSY),
        failed(Reason.OUT_OF_MEMORY, BUSY),
    ],
)
def test_a_run_counts(run: Run) -> None:
    assert why_invalid(run, [RUN], SETTINGS) == ""


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, conditions=BUSY),
        failed(Reason.OVER_BUDGET, BUSY),
        failed(Reason.DEADLINE, BUSY),
    ],
    ids=["scored", "over budget", "deadline"],
)
def test_a_busy_machine_is_named_with_who_was_busy(run: Run) -> None:
    assert why_invalid(run, [], SETTINGS) == (
        "42% of the cores' time went elsewhere while it trained, 30% allowed; "
        "busiest: stress (0.8 cores)"
    )


def test_others_on_the_gpu_are_counted() -> None:
    said = why_invalid(on(replace(GPU, name="T4", others=2)), [], SETTINGS)
    assert said == "2 other processes were computing on the T4, none allowed"


def test_a_gpu_that_was_slowed_down_is_named_with_its_heat() -> None:
    said = why_invalid(on(replace(GPU, throttled=0.9, temperature_c=94.0)), [], SETTINGS)
    assert "slowed down 90% of the time, 50% allowed: 94 C at most, 1700 MHz of 1980" in said


@pytest.mark.parametrize(("tokens", "counts"), [(2_110_000, True), (2_090_000, False)])
def test_a_run_far_slower_than_the_same_code_does_not_count(tokens: int, counts: bool) -> None:
    usual = [replace(RUN, tokens=tokens) for tokens in (2_900_000, 3_000_000, 9_000_000)]
    assert (why_invalid(replace(RUN, tokens=tokens), usual, SETTINGS) == "") is counts


def test_a_slow_run_is_named_with_what_is_usual() -> None:
    said = why_invalid(replace(RUN, tokens=1_500_000), [RUN], SETTINGS)
    assert said.startswith("5,000 tokens per second, where the same code had 10,000; at least 70%")


def test_a_failure_of_time_is_not_held_against_the_code_s_speed() -> None:
    slow = replace(failed(Reason.DEADLINE, QUIET), tokens=100)
    assert why_invalid(slow, [RUN], SETTINGS) == ""


def test_failures_say_nothing_of_the_usual_speed() -> None:
    crashed = replace(failed(Reason.DIVERGED, QUIET), tokens=90_000_000)
    assert why_invalid(RUN, [crashed], SETTINGS) == ""


def test_whoever_allows_everything_has_every_run_judged() -> None:
    run = replace(RUN, conditions=replace(BUSY, gpus=(replace(GPU, others=3, throttled=1.0),)))
    assert (
        why_invalid(run, [replace(RUN, tokens=10**9)], replace(SETTINGS, max_elsewhere=1.0)) == ""
    )


def test_on_a_machine_that_is_never_quiet_only_more_than_the_usual_disturbs() -> None:
    usual = usual_elsewhere([replace(RUN, conditions=BUSY)] * 3)
    assert why_invalid(replace(RUN, conditions=BUSY), [], SETTINGS, usual) == ""
    worse = replace(RUN, conditions=replace(BUSY, elsewhere=BUSY.elsewhere + MARGIN + 0.01))
    assert "58% of the cores' time went elsewhere" in why_invalid(worse, [], SETTINGS, usual)


def test_runs_of_which_nothing_is_known_are_taken_to_be_undisturbed() -> None:
    assert usual_elsewhere([replace(RUN, conditions=None)]) == 0.0
