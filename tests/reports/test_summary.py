"""A campaign in a few numbers."""

from dataclasses import replace

from autoresearch_kit.records import Experiment, Noise, SandboxLevel, Verdict
from autoresearch_kit.reports.summary import extra_runs, summarise
from tests.ledger.ledger import disturbed, experiment, repeated, run, score

NOISE = Noise(0.01, 6.0)


def boxed(number: int, level: SandboxLevel) -> Experiment:
    return replace(experiment(number), runs=(replace(run(value=1.5), sandbox=level),))


def said(*experiments: Experiment) -> dict[str, str]:
    return dict(summarise("night", experiments).rows())


def test_scores_and_their_gain_have_errors() -> None:
    rows = said(
        repeated(experiment(0), 1.5, 1.5, 1.5, 1.5, noise=NOISE),
        repeated(experiment(1), 1.4, noise=NOISE),
    )
    assert rows["baseline val_bpb"] == "1.5000 ± 0.0050"
    assert rows["best val_bpb"] == "1.400 ± 0.010, 0.100 ± 0.011 (6.67%) lower"


def test_the_noise_says_what_luck_alone_does() -> None:
    assert said(repeated(experiment(0), 1.5, noise=NOISE))["noise"] == (
        "sigma 0.01 on 6 degrees of freedom; "
        "two runs of the same code lie less than 0.035 apart, 19 times of 20"
    )


def test_runs_beyond_one_an_experiment_are_counted_by_what_for() -> None:
    made = repeated(experiment(1, 1.6, Verdict.DISCARD), 1.6, 1.7, reruns=(1.5,))
    night = [repeated(experiment(0), 1.5, 1.5, 1.5), replace(made, set_aside=(run(), run()))]
    assert str(extra_runs(night)) == "6 (3 repeats, 1 of the best, 2 set aside)"


def test_what_was_disturbed_is_counted_and_lowers_no_rate() -> None:
    rows = said(experiment(0), experiment(1, 1.4), disturbed(2, 1.3), disturbed(3, 1.3, retry_of=2))
    assert rows["experiments"] == "3: 1 kept, 0 crashed, 2 disturbed"
    assert rows["keep rate"] == "100%"
    assert rows["best val_bpb"].startswith("1.4")


def test_a_campaign_without_repeats_or_noise_says_nothing_of_them() -> None:
    assert not {"noise", "extra runs", "warning"} & set(said(experiment(0)))


def test_time_that_runs_took_counts_whatever_they_were_for() -> None:
    idle = replace(run(), train_seconds=0.0, wall_seconds=300.0)
    summary = summarise("night", [replace(experiment(0), set_aside=(idle,))])
    assert summary.spent.training_share == 300 / 620


def test_experiments_in_a_weaker_sandbox_are_counted() -> None:
    strong, weak = SandboxLevel.BUBBLEWRAP, SandboxLevel.NONE
    assert said(boxed(0, weak))["sandbox"] == "none"
    assert said(boxed(0, strong), boxed(1, weak))["sandbox"] == "bubblewrap, but none in 1 of 2"


def test_val_and_audit_that_part_are_a_warning() -> None:
    first, last = (
        replace(experiment(number), runs=(replace(run(value=val), audit=score(1.5)),), noise=NOISE)
        for number, val in ((0, 1.5), (1, 1.4))
    )
    assert "part by 0.100000" in said(first, last)["warning"]
