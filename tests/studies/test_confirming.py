"""A campaign of keeps that nobody ran, confirmed: with made-up runs, and once with real runs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoresearch_kit.campaign import pools
from autoresearch_kit.campaign.adopt import adopt_file
from autoresearch_kit.campaign.context import find_context
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import BusyError, InputError, KitError
from autoresearch_kit.execution import launch
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine.profiles import SMALL_NOTEBOOK
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Constant,
    Experiment,
    Proposal,
    Reason,
    Run,
    RunSpec,
    Score,
    Verdict,
)
from autoresearch_kit.reports.confirmation import Finding
from autoresearch_kit.reports.figures.drawing import Missing
from autoresearch_kit.reports.reading import Reader
from autoresearch_kit.reports.results import results
from autoresearch_kit.studies.confirm.confirming import LEFT, Confirming
from autoresearch_kit.ui.cli.app import app
from tests.campaign import made_up_runs, scripted, tiny
from tests.campaign.test_campaign import left_running
from tests.ledger.ledger import SETTINGS, experiment
from tests.studies.nights import ran

Constants = Mapping[str, Constant]

FASTER: Constants = {"STEPS": 40}
"""Worth far more than the noise."""

SLOWER: Constants = {"RATE": 0.01}
"""Recorded as a gain, which it is not."""

BASE = replace(experiment(0), settings=SETTINGS)


def write_night(root: Path, *keeps: Constants, base: Experiment = BASE) -> Workspace:
    """Record a baseline and keeps with made-up scores."""
    history, notebook = History(root, "night"), TrainNotebook.read(root / SMALL_NOTEBOOK)
    for number, constants in enumerate([{}, *keeps]):
        parent = None if number == 0 else number - 1
        value = 2.6 - number / 10
        notebook = notebook.set_constants(constants)
        made = replace(
            base,
            proposal=Proposal(number, parent, "llm", f"idea {number}", "", constants=constants),
            reason=Reason.BETTER if number else Reason.BASELINE,
            verdict=Verdict.KEEP,
            runs=(ran(value - 0.005), ran(value + 0.005)),
        )
        history.append(made, notebook.text(), {})
    return Workspace(root, "night")


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Make a project of two keeps that can't be run, since nothing of it is prepared."""
    root = scripted.make_project(tmp_path / "project")
    monkeypatch.chdir(root)
    return write_night(root, FASTER, SLOWER)


def made_up_run(spec: RunSpec, waiting: None = None, **_: Callable[[], bool]) -> Run:
    """Return a run whose score follows from the constants, and a little from the seed."""
    constants = TrainNotebook.parse(spec.notebook.read_text()).constants()
    steps, rate = constants["STEPS"], constants["RATE"]
    assert isinstance(steps, int)
    assert isinstance(rate, float)
    value = 2.0 - steps / 100 - rate + spec.seed % 7 / 10_000
    score = Score("val_bpb", value, 1.0, 1, 1, 0.0, 0.1)
    return replace(made_up_runs.made_up_run(spec, waiting), score=score)


@contextmanager
def made_up(execute: Callable[..., Run] = made_up_run) -> Iterator[None]:
    """Have confirmations in here run nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools, "find_context", made_up_runs.made_up_context)
        patch.setattr(launch, "execute", execute)
        yield


def confirm(root: Path, seeds: int | None = None) -> list[Run]:
    """Confirm to the end; return the runs that this took."""
    states = list(Confirming(root, "night", seeds).run())
    return [standing.trials.done[-1].run for standing in states]


def refused(*argv: str) -> str:
    done = CliRunner().invoke(app, ["confirm", *argv])
    assert isinstance(done.exception, InputError | BusyError)
    return str(done.exception)


def test_the_forecast_counts_runs(night: Workspace) -> None:
    study = Confirming(night.root, "night")
    # 3 runs without each of two keeps, 4 of the best, 3 of the pruned best
    assert (study.standing().left, study.standing().more) == (13, 10)
    assert study.run_seconds() == 330.0


ENDED = """
import signal, sys, time
from autoresearch_kit.errors import Cancelled
from autoresearch_kit.ui import cli
from autoresearch_kit.campaign import pools
from autoresearch_kit.execution import launch
from tests.campaign import made_up_runs

def execute(*_, cancelled, **__):
    print("runs", flush=True)
    while not cancelled():
        time.sleep(0.05)
    raise Cancelled("killed")

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

pools.find_context = made_up_runs.made_up_context
launch.execute = execute
sys.argv = ["autoresearch", "confirm", "night", "--yes"]
cli.main()
"""
"""`confirm`, with a run that lasts until a signal comes."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_confirm_can_go_on(number: signal.Signals, night: Workspace) -> None:
    argv = [sys.executable, "-c", ENDED]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(argv, cwd=night.root, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert any(line == b"runs\n" for line in process.stdout)
        process.send_signal(number)
        said = process.stdout.read().decode()
    killed = number is signal.SIGKILL
    assert process.returncode == (-number if killed else 130)
    assert killed or "0 runs are done; the same command goes on" in said
    shown = Reader(night.root, "night").read().words()
    assert ("go on with: autoresearch confirm night" if killed else LEFT) in shown


def failing(code: str) -> Callable[..., Run]:
    """Make up runs, of which the kit fails those of this code."""

    def execute(spec: RunSpec, waiting: None = None, **_: Callable[[], bool]) -> Run:
        run = made_up_run(spec, waiting)
        if TrainNotebook.parse(spec.notebook.read_text()).code() != code:
            return run
        return replace(run, score=None, failure=Reason.KIT_FAILED, detail="why")

    return execute


def test_a_variant_that_the_kit_fails_is_needed(night: Workspace) -> None:
    without = Confirming(night.root, "night").plan.without[0]
    with made_up(failing(without.code)):
        runs = confirm(night.root)
    assert [run.failure for run in runs].count(Reason.KIT_FAILED) == 1
    assert Confirming(night.root, "night").standing().finding(without) is Finding.NEEDED


def test_the_best_that_the_kit_fails_ends_confirming(night: Workspace) -> None:
    best = Confirming(night.root, "night").plan.best
    with made_up(failing(best.code)), pytest.raises(KitError, match="could not be run: why"):
        confirm(night.root)


def test_a_campaign_that_cannot_be_confirmed_is_refused(night: Workspace) -> None:
    assert "--seeds is 1" in refused("night", "--seeds", "1")
    assert "not confirmed yet" in refused("night", "--json")
    assert isinstance(results("night", night.root).confirmation(), Missing)
    night.create()
    with night.lock():
        assert "campaign 'night' is being run by" in refused("night")


def test_a_night_without_keeps_is_refused(project: Path) -> None:
    write_night(project)
    assert refused("night") == "campaign 'night' has kept nothing yet, so nothing to confirm"


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Make a confirmation that was left after two runs, and went on to its end."""
    root = scripted.make_project(tmp_path_factory.mktemp("confirmed") / "project")
    night = write_night(root, FASTER, SLOWER)
    with made_up():
        runs = Confirming(root, "night", 2).run()
        first = [next(runs).trials.done[-1].run for _ in range(2)]
        runs.close()
        later = confirm(root)
    trials = Confirming(root, "night").standing().trials.done
    assert [trial.run for trial in trials] == [*first, *later]
    assert len({(trial.code, trial.at) for trial in trials}) == 7 == len(trials)
    assert len({(trial.at, trial.run.seed) for trial in trials}) == 3
    return night


def test_the_gain_is_real_and_the_loss_is_not(confirmed: Workspace) -> None:
    table = results("night", confirmed.root).confirmation()
    assert not isinstance(table, Missing)
    assert list(table["finding"]) == ["real", "false"]


def test_results_are_shown_again_without_a_run(
    confirmed: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(confirmed.root)
    shown = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["confirm", "night"])
    assert "false" in shown.output
    assert "adopt --from .autoresearch/night/confirm/pruned.ipynb" in shown.output
    printed = CliRunner().invoke(app, ["confirm", "night", "--json"]).output
    assert [keep["stays"] for keep in json.loads(printed)["keeps"]] == [True, False]


def test_the_next_campaign_can_begin_with_the_gain_only(confirmed: Workspace) -> None:
    adopt_file(confirmed.root, confirmed.folder / "confirm" / "pruned.ipynb")
    adopted = TrainNotebook.read(confirmed.root / SMALL_NOTEBOOK)
    assert adopted.constants() == {"BATCH": 4, "RATE": 0.03, "WIDTH": 8, **FASTER}


@pytest.mark.slow
def test_variants_are_run_and_scored_in_turn(tmp_path: Path, corpus: Path) -> None:
    root = scripted.make_project(tmp_path / "project")
    settings = settle(root, "night", tiny.options(corpus, scripted.TRAIN_SECONDS))
    night = Workspace(root, "night")
    night.create()
    night.copy_kit()
    context = find_context(night, History(root, "night"), settings)
    base = replace(BASE, fingerprint=context.fingerprint, settings=settings)
    write_night(root, FASTER, base=base)
    study = Confirming(root, "night", 2)
    runs = study.run()
    states = [next(runs) for _ in range(2)]
    runs.close()
    best, without = map(states[-1].sample, (study.plan.best, study.plan.without[0]))
    assert best
    assert without
    assert best.mean < without.mean
    assert left_running(root) == []
    assert list(study.folder.runs.iterdir()) == []
