"""A campaign in a few numbers, and where its wall-clock went."""

from dataclasses import replace

import pytest

from autoresearch_kit.records import Experiment, Noise, Run, SandboxLevel, Usage, Verdict
from autoresearch_kit.reports.device_time import slot_times
from autoresearch_kit.reports.summary import summarise
from autoresearch_kit.reports.summary_words import summary_rows
from tests.ledger.ledger import disturbed, experiment, repeated, run, score
from tests.reports.nights import run_on

NOISE = Noise(0.01, 6.0)
DAY = "2026-11-21T"


def words(*experiments: Experiment) -> dict[str, str]:
    return dict(summary_rows(summarise("night", experiments)))


def test_scores_gain_and_noise_have_errors() -> None:
    rows = words(
        repeated(experiment(0), 1.5, 1.5, 1.5, 1.5, noise=NOISE),
        repeated(experiment(1), 1.4, noise=NOISE),
    )
    assert rows["baseline val_bpb"] == "1.5000 ± 0.0050"
    assert rows["best val_bpb"] == "1.400 ± 0.010, 0.100 ± 0.011 (6.67%) lower"
    assert rows["noise"] == (
        "sigma 0.010 on 6 degrees of freedom; "
        "two runs of the same code lie less than 0.035 apart, 19 times out of 20"
    )


def test_extra_runs_are_counted_by_purpose() -> None:
    discard = repeated(experiment(1, 1.6, Verdict.DISCARD), 1.6, 1.7, reruns=(1.5,))
    night = [repeated(experiment(0), 1.5, 1.5, 1.5), replace(discard, set_aside=(run(), run()))]
    assert words(*night)["extra runs"] == "6 (3 repeats, 1 of the best, 2 set aside)"


def test_disturbed_experiments_do_not_lower_the_keep_rate() -> None:
    again = disturbed(3, 1.3, retry_of=2)
    rows = words(experiment(0), experiment(1, 1.4), disturbed(2, 1.3), again)
    assert rows["experiments"] == "3: 1 kept, 0 crashed, 2 disturbed"
    assert rows["keep rate"] == "100%"
    assert rows["best val_bpb"].startswith("1.4")


def test_cost_is_per_millibit_gained() -> None:
    paid = replace(experiment(1, 1.4), usage=Usage(requests=9, usd=5.0))
    assert "0.050 USD for each 0.001 bits per byte" in words(experiment(0), paid)["language model"]


def test_weaker_sandboxes_are_counted() -> None:
    strong = replace(run(value=1.5), sandbox=SandboxLevel.BUBBLEWRAP)
    rows = words(replace(experiment(0), runs=(strong,)), experiment(1))
    assert rows["sandbox"] == "bubblewrap, but none in 1 of 2"
    rows = words(experiment(0))
    assert rows["sandbox"] == "none"
    assert not {"noise", "extra runs", "warning", "keep rate"} & set(rows)


def test_gains_that_audit_does_not_confirm_are_a_warning() -> None:
    first, last = (
        replace(experiment(number), runs=(replace(run(value=val), audit=score(1.5)),), noise=NOISE)
        for number, val in ((0, 1.5), (1, 1.4))
    )
    assert "by 0.100000" in words(first, last)["warning"]


def lasting(number: int, began: str, ended: str, *set_aside: Run) -> Experiment:
    """Make an experiment with one run: 300 s of training, and ten of scoring."""
    ran = replace(
        run(), train_seconds=300.0, compile_seconds=0.0, wall_seconds=310.0, parts={"score": 10.0}
    )
    started, finished = f"{DAY}{began}+00:00", f"{DAY}{ended}+00:00"
    made = replace(experiment(number), started=started, finished=finished)
    return replace(made, runs=(ran,), set_aside=set_aside)


def test_time_between_runs_is_a_part() -> None:
    spent = summarise("night", [lasting(0, "10:00:00", "10:05:30")]).spent
    assert spent.parts == {"training": 300.0, "between runs": 20.0, "score": 10.0}
    assert str(spent) == "90.9% of the wall-clock was training; between runs 6.1%, score 3.0%"
    assert str(summarise("night", []).spent) == "nothing ran"


BEFORE = lasting(0, "10:00:00", "10:05:10")
EARLY = replace(run(), train_seconds=0.0, compile_seconds=0.0, wall_seconds=40.0, parts={})


@pytest.mark.parametrize(
    ("experiments", "part", "seconds"),
    [
        ([BEFORE, lasting(1, "10:05:12", "10:10:22")], "between runs", 2.0),
        ([BEFORE, lasting(1, "12:00:00", "12:05:10")], "between runs", 0.0),
        ([lasting(0, "10:00:00", "10:05:50", EARLY)], "other", 40.0),
        ([lasting(0, "10:00:00", "09:00:00")], "between runs", 0.0),
    ],
    ids=["recording in git", "a pause", "a run that failed early", "a clock set back"],
)
def test_seconds_outside_training_are_counted(
    experiments: list[Experiment], part: str, seconds: float
) -> None:
    assert summarise("night", experiments).spent.parts.get(part, 0.0) == pytest.approx(seconds)


def test_the_best_is_the_keep_that_none_replaced() -> None:
    early = replace(experiment(2, 1.4), against=0, finished=f"{DAY}10:10:00+00:00")
    late = replace(experiment(1, 1.3), against=2, finished=f"{DAY}10:20:00+00:00")
    first = replace(experiment(0), finished=f"{DAY}10:00:00+00:00")
    summary = summarise("night", [first, late, early])
    assert summary.best_row is not None
    assert summary.best_row.number == 1
    assert [row.delta for row in summary.table] == [
        None, pytest.approx(-0.1), pytest.approx(-0.1)
    ]  # fmt: skip
    assert [row.best for row in summary.table] == [1.5, 1.3, 1.4]


def test_idle_seconds_of_every_device_are_between_runs() -> None:
    both = [
        replace(lasting(0, "10:00:00", "10:10:00"), runs=(run_on("gpu0", 1.5),)),
        replace(lasting(1, "10:00:00", "10:10:00"), runs=(run_on("gpu1", 1.5),)),
    ]
    spent = summarise("night", both).spent
    assert spent.parts["between runs"] == 2 * (600 - 310)
    assert str(spent).startswith("50.0% of the wall-clock of 2 devices was training")


def test_a_device_counts_from_its_first_experiment_on() -> None:
    nights = [
        replace(lasting(0, "10:00:00", "10:10:00"), runs=(run_on("gpu0", 1.5),)),
        replace(
            lasting(1, "10:10:00", "10:20:00"), runs=(run_on("gpu0", 1.5), run_on("gpu1", 1.5))
        ),
    ]
    [first, second] = slot_times(summarise("night", nights).table)
    assert (first.seconds, second.seconds) == (1200, 600)
    assert (first.runs, second.runs) == (2, 1)


def test_an_improvement_costs_the_runs_of_all_devices() -> None:
    kept = replace(
        experiment(1, 1.4),
        runs=(run_on("gpu0", 1.4), run_on("gpu1", 1.4)),
        reruns=(run_on("gpu2", 1.5),),
        set_aside=(run_on("gpu3", 1.4),),
        probes=(run_on("gpu0", None),),
    )
    baseline = replace(experiment(0), runs=(run_on("gpu0", 1.5),))
    assert summarise("night", [baseline, kept]).device_hours == pytest.approx(6 * 310 / 3600)
    assert words(baseline, kept)["device-hours"] == "0.52 of all runs, 0.52 an improvement"
