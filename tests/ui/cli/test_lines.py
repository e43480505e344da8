"""The line of an experiment in the terminal."""

from dataclasses import replace

from autoresearch_kit.records import Experiment, Noise, SandboxLevel, Verdict
from autoresearch_kit.ui.cli.follow import experiment_lines
from tests.ledger.ledger import experiment, repeated, run

NOISE = Noise(0.01, 6.0)


def told(*experiments: Experiment) -> list[str]:
    return [" ".join(line.split()) for line in experiment_lines(experiments)]


def test_a_line_has_score_error_and_number_of_runs() -> None:
    best = repeated(experiment(0, idea="baseline"), 1.5, 1.5, 1.6, noise=NOISE)
    asked = repeated(experiment(1, 1.0, Verdict.DISCARD, idea="x"), 1.6, reruns=(1.4,), noise=NOISE)
    assert told(best, asked) == [
        "0 1.5000 ± 0.0050 4 runs 1,000 steps, 6,827 tokens/s keep (baseline) baseline",
        "1 1.600 ± 0.010 1,000 steps, 6,827 tokens/s discard (worse) x",
    ]


def test_a_campaign_without_noise_is_readable() -> None:
    crash = experiment(1, None, Verdict.CRASH, idea="x")
    assert told(experiment(0, idea="y"), crash) == [
        "0 1.500000 1,000 steps, 6,827 tokens/s keep (baseline) y",
        "1 - 1,000 steps, 6,827 tokens/s crash (error) x",
    ]


def test_differing_steps_are_listed_run_by_run() -> None:
    runs = tuple(run(steps, value=1.5) for steps in (601, 620, 314))
    [line] = told(replace(experiment(0, idea="y"), runs=runs))
    assert line == "0 1.500000 3 runs 601, 620, 314 steps keep (baseline) y"


def test_a_weaker_sandbox_is_named() -> None:
    one, other = experiment(0), experiment(1)
    boxed = replace(one, runs=(replace(one.runs[0], sandbox=SandboxLevel.BUBBLEWRAP),))
    first, second = told(boxed, other)
    assert "sandbox" not in first
    assert second.endswith("(sandbox: none)")
