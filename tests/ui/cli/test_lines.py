"""The terminal shows the line of an experiment, and the defaults in the help."""

import re
from dataclasses import replace

from rich.text import Text
from typer.testing import CliRunner

from autoresearch_kit.records import Experiment, Noise, SandboxLevel, Verdict
from autoresearch_kit.ui.cli.app import app
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
    first, second = experiment(0), experiment(1)
    boxed = replace(first, runs=(replace(first.runs[0], sandbox=SandboxLevel.BUBBLEWRAP),))
    lines = told(boxed, second)
    assert "sandbox" not in lines[0]
    assert lines[1].endswith("(sandbox: none)")


def test_help_names_the_defaults() -> None:
    output = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["run", "--help"]).output
    shown = Text.from_ansi(output).plain  # where colours are asked for
    defaults = {"train-seconds": 300, "dataset": "stdlib", "researcher": "optuna"}
    for option, default in defaults.items():
        assert re.search(rf"--{option} .*\(default: {default}\)", shown), shown
