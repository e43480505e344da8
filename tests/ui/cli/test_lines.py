"""The terminal shows the line of an experiment, and the defaults in the help."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.text import Text
from typer.testing import CliRunner

from autoresearch_kit.records import Experiment, Noise, SandboxLevel, Verdict
from autoresearch_kit.reports.experiment import experiment_rows
from autoresearch_kit.ui.cli.app import SafeConsole, app
from autoresearch_kit.ui.cli.follow import MOST_SLOTS, experiment_lines, slots_table
from tests.ledger.ledger import experiment, repeated, run
from tests.reports.nights import uses

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
    assert line == "0 1.500000 3 runs 601 / 620 / 314 steps keep (baseline) y"


def test_a_weaker_sandbox_is_named() -> None:
    first, second = experiment(0), experiment(1)
    boxed = replace(first, runs=(replace(first.runs[0], sandbox=SandboxLevel.BUBBLEWRAP),))
    lines = told(boxed, second)
    assert "sandbox" not in lines[0]
    assert lines[1].endswith("(sandbox: none)")


@pytest.mark.parametrize("width", [80, 120])
def test_sixty_four_slots_are_a_line_each(width: int) -> None:
    console = SafeConsole(width=width, file=StringIO(), markup=False, soft_wrap=True)
    with console.capture() as shown:
        console.print(slots_table(uses(64, free=(40,), left_out=(60,)), 100.0))
    lines = shown.get().splitlines()
    assert len(lines) == 1 + 64
    assert all(len(line) <= width for line in lines)
    assert lines[1].split()[:3] == ["node-7/gpu4", "left", "out:"]
    assert lines[2].split() == ["node-5/gpu0", "idle", "50", "s", "85.7%", "100", "s"]


def test_followed_slots_fit_a_terminal() -> None:
    console = SafeConsole(width=80, file=StringIO(), markup=False)
    with console.capture() as shown:
        console.print(slots_table(uses(64), 100.0, MOST_SLOTS))
    lines = shown.get().splitlines()
    assert len(lines) == 2 + MOST_SLOTS
    assert "and 56 more; autoresearch status lists all" in lines[-1]


def test_the_best_that_an_experiment_was_held_against_is_told() -> None:
    merged = replace(experiment(7, parent=3), against=5)
    assert ("experiment", "7, from 3, held against 5") in experiment_rows(merged)


def test_help_fills_its_lines() -> None:
    output = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["adopt", "--help"]).output
    shown = Text.from_ansi(output).plain
    assert "becomes \n notebooks/train.ipynb, or with --task" in re.sub(" +", " ", shown)


def test_help_names_the_defaults() -> None:
    output = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["run", "--help"]).output
    shown = Text.from_ansi(output).plain  # where colours are asked for
    defaults = {"train-seconds": 300, "dataset": "stdlib", "researcher": "optuna"}
    for option, default in defaults.items():
        assert re.search(rf"--{option} .*\(default: {default}\b", shown), shown
