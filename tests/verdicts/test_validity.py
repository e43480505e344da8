from dataclasses import replace

import pytest

from autoresearch_kit.records import (
    Clock,
    Conditions,
    GpuConditions,
    Reason,
    Run,
    SandboxLevel,
    Score,
    Settings,
)
from autoresearch_kit.verdicts.repeats import MOST_REPEATS, Repeat, repeat
from autoresearch_kit.verdicts.validity import (
    MARGIN,
    MOST_USUAL,
    as_fast,
    never_quiet,
    usual_elsewhere,
    why_invalid,
)

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


@pytest.mark.parametrize(
    ("run", "others", "said"),
    [
        (on(replace(GPU, name="T4", others=2)), [],
         "2 other processes were computing on the T4, none allowed"),
        (on(replace(GPU, throttled=0.9, temperature_c=94.0)), [],
         "slowed down 90% of the time, 50% allowed: 94 C at most, 1700 MHz of 1980"),
        (replace(RUN, tokens=2_300_000), [RUN], "on 2,300,000 tokens"),
        (replace(RUN, steps=500), [RUN],
         "500 steps on 3,000,000 tokens, where the same code made 1,000 on"),
        (replace(RUN, steps=500, tokens=0), [replace(RUN, tokens=0)],
         "500 steps, where the same code made 1,000; at least 80% of them is asked for"),
    ],
    ids=["others on the GPU", "a slow GPU", "few tokens", "few steps", "few steps, no tokens"],
)  # fmt: skip
def test_what_disturbed_a_run_is_named(run: Run, others: list[Run], said: str) -> None:
    assert said in why_invalid(run, others, SETTINGS)


@pytest.mark.parametrize(("steps", "counts"), [(810, True), (790, False), (5000, True)])
def test_a_run_with_a_fifth_fewer_steps_does_not_count(steps: int, counts: bool) -> None:
    usual = [replace(RUN, steps=steps) for steps in (980, 1000, 9000)]
    assert (why_invalid(replace(RUN, steps=steps), usual, SETTINGS) == "") is counts


@pytest.mark.parametrize(
    ("run", "others"),
    [
        (replace(RUN, steps=0, tokens=0), [replace(RUN, steps=0, tokens=0)]),
        (RUN, [replace(RUN, steps=steps) for steps in (10**9, 990, 1010)]),
        (replace(failed(Reason.DEADLINE, QUIET), steps=1), [RUN]),
        (RUN, [replace(failed(Reason.DIVERGED, QUIET), steps=90_000)]),
    ],
    ids=["code that logs none", "one of many claims many", "a failure of time", "one that crashed"],
)
def test_steps_that_say_nothing_of_speed_are_ignored(run: Run, others: list[Run]) -> None:
    assert why_invalid(run, others, SETTINGS) == ""


@pytest.mark.parametrize("steps", [500, 2000])
def test_runs_at_another_speed_are_left_out(steps: int) -> None:
    before = [RUN, replace(RUN, steps=steps)]
    assert as_fast(before, [replace(RUN, steps=950)]) == [RUN]


def test_without_runs_of_now_all_before_are_taken() -> None:
    assert as_fast([RUN], [failed(Reason.DIVERGED, QUIET)]) == [RUN]


def busy(*shares: float) -> list[Run]:
    return [replace(RUN, conditions=replace(QUIET, elsewhere=share)) for share in shares]


@pytest.mark.parametrize(
    ("shares", "follows"),
    [
        ((0.9,), Repeat.AT_ONCE),
        ((0.9, 0.8), Repeat.AT_ONCE),
        ((0.9, 0.95), Repeat.WHEN_QUIET),
        ((0.9, 0.95, 0.6), Repeat.NO_MORE),
        ((0.9, 0.8, 0.7), Repeat.WHEN_QUIET),
        ((0.9, 0.8, 0.7, 0.6), Repeat.NO_MORE),
    ],
)
def test_a_run_is_repeated_at_once_then_when_quiet(
    shares: tuple[float, ...], follows: Repeat
) -> None:
    assert repeat(busy(*shares)) is follows


def test_there_are_few_repeats_however_the_machine_behaves() -> None:
    tried = busy(0.99)
    while repeat(tried) is not Repeat.NO_MORE:
        tried += busy(tried[-1].conditions.elsewhere - 0.01 if tried[-1].conditions else 0)
    assert len(tried) == 1 + MOST_REPEATS + 1


@pytest.mark.parametrize(("share", "counts"), [(0.7, True), (0.8, False)])
def test_by_the_cpu_clock_neighbours_may_take_three_quarters(share: float, counts: bool) -> None:
    run = replace(RUN, clock=Clock.CPU, conditions=Conditions(share, 2.0))
    assert (why_invalid(run, [], SETTINGS) == "") is counts


def test_whoever_allows_everything_has_every_run_judged() -> None:
    run = replace(RUN, conditions=replace(BUSY, gpus=(replace(GPU, others=3, throttled=1.0),)))
    assert why_invalid(run, [replace(RUN, steps=10**9)], replace(SETTINGS, max_elsewhere=1.0)) == ""


def test_only_more_than_the_usual_share_disturbs() -> None:
    usual = usual_elsewhere([replace(RUN, conditions=BUSY)] * 3)
    assert why_invalid(replace(RUN, conditions=BUSY), [], SETTINGS, usual) == ""
    worse = replace(RUN, conditions=replace(BUSY, elsewhere=BUSY.elsewhere + MARGIN + 0.01))
    assert "58% of the cores' time went elsewhere" in why_invalid(worse, [], SETTINGS, usual)


def test_a_share_seen_each_time_is_the_usual() -> None:
    assert never_quiet(busy(0.42, 0.45, 0.4), SETTINGS) == 0.42


@pytest.mark.parametrize(
    "shares",
    [(0.42, 0.6, 0.4), (0.9, 0.91, 0.9), (0.42, 0.1, 0.4)],
    ids=["it comes and goes", "hardly anything is left", "it was quiet once"],
)
def test_other_disturbances_are_not_usual(shares: tuple[float, ...]) -> None:
    assert never_quiet(busy(*shares), SETTINGS) == 0.0


def test_the_usual_share_is_bounded() -> None:
    assert usual_elsewhere(busy(0.9)) == MOST_USUAL


def test_runs_without_conditions_are_taken_as_undisturbed() -> None:
    assert usual_elsewhere([replace(RUN, conditions=None)]) == 0.0
