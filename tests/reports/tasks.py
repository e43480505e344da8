"""Made-up campaigns of tasks that are folders: maximised, of two objectives, of tiny numbers."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import (
    Bound,
    Direction,
    Experiment,
    Metric,
    Noise,
    Reason,
    Run,
    Score,
    Task,
    Verdict,
)
from autoresearch_kit.reports.results import Results
from autoresearch_kit.reports.summary import summary_of
from tests.ledger.ledger import SETTINGS, experiment, run
from tests.reports.nights import moment

ACCURACY = Metric("accuracy", Direction.HIGHER)
ERROR = Metric("error", unit="share of rows", zero_is_floor=True)
PARSING = Metric("seconds_a_line", unit="s", zero_is_floor=True)

CRASHES = {7: Reason.CHECKS_FAILED, 8: Reason.NOT_MEASURED}

MAXIMISED = Task("pets", (ACCURACY,), ("accuracy",), folder="pets")
TINY = Task("parsing", (PARSING,), ("seconds_a_line",), folder="parsing", trusted=True)
FRONT = Task(
    "digits",
    (ERROR,),
    ("error", "inference_seconds"),
    (Bound("inference_seconds", 4e-5), Bound("submission_mb", 1.0)),
    folder="digits",
)


def measured(task: Task, values: Mapping[str, float]) -> Run:
    """Return a run with these values, which counted no tokens."""
    first = task.objectives[0]
    score = Score(first, values[first], values=values, trusted=task.trusted)
    return replace(run(), tokens=0, score=score)


def tried(
    task: Task,
    number: int,
    values: Mapping[str, float] | None,
    verdict: Verdict = Verdict.KEEP,
    reason: Reason | None = None,
    *,
    noise: Noise | None = None,
    against: int | None = None,
) -> Experiment:
    """Return experiment `number` of this task, measured as these values; None for a crash."""
    made = experiment(number, verdict=verdict, idea=f"WIDTH {number} -> {number + 1}")
    return replace(
        made,
        reason=reason or made.reason,
        runs=(replace(run(), tokens=0) if values is None else measured(task, values),),
        noise=noise,
        against=against,
        settings=replace(SETTINGS, task=task, dataset=task.folder),
        bounds=task.bounds,
        started=moment(320.0 * number),
        finished=moment(320.0 * (number + 1)),
    )


def searched(task: Task, first: float, spread: float, count: int = 30) -> list[Experiment]:
    """Return a campaign of one objective whose noise is `spread`."""
    rng, name, best, made = Random(count), task.objectives[0], first, list[Experiment]()
    leader, noise = 0, Noise(spread, 6.0)
    for number in range(count):
        value = best + task.objective.sign * rng.gauss(0.5, 2.0) * spread if number else first
        better = number and task.objective.sign * (best - value) > spread
        verdict = Verdict.KEEP if better or not number else Verdict.DISCARD
        values: dict[str, float] | None = {name: value, "peak_memory_mb": 400.0}
        reason = CRASHES.get(number)
        if reason:
            verdict, values = Verdict.CRASH, None
        against = leader if number else None
        made.append(tried(task, number, values, verdict, reason, noise=noise, against=against))
        if better and values:
            best, leader = value, number
    return made


def of_two_objectives() -> list[Experiment]:
    """Return a campaign that trades error against the time of an answer."""
    keep, discard = Verdict.KEEP, Verdict.DISCARD
    rows = [
        (0.082, 1.2e-5, keep, Reason.BASELINE, None),
        (0.061, 2.1e-5, keep, Reason.BETTER, 0),
        (0.064, 0.9e-5, keep, Reason.TRADE_OFF, 1),
        (0.070, 2.9e-5, discard, Reason.WORSE, 1),
        (0.038, 6.3e-5, discard, Reason.OUT_OF_BOUNDS, 1),
        (0.047, 2.6e-5, keep, Reason.BETTER, 1),
        (0.055, 1.4e-5, keep, Reason.TRADE_OFF, 5),
        (0.048, 2.7e-5, discard, Reason.NO_GAIN, 5),
        (0.041, 3.7e-5, keep, Reason.BETTER, 5),
        (0.040, 5.0e-5, discard, Reason.OUT_OF_BOUNDS, 8),
        (0.090, 3.0e-5, discard, Reason.WORSE, 8),
    ]
    return [
        tried(
            FRONT,
            number,
            {"error": error, "inference_seconds": seconds, "submission_mb": 0.2 + 10 * error},
            verdict,
            reason,
            noise=Noise(0.003, 5.0),
            against=against,
        )
        for number, (error, seconds, verdict, reason, against) in enumerate(rows)
    ]


def shown(experiments: list[Experiment]) -> Results:
    """Return these experiments' results, without git."""
    entries = [Entry(each, "0" * 40, "0" * 40) for each in experiments]
    return Results(summary_of(experiments[0].settings.task.name, entries))
