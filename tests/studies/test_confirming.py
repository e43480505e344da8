"""A campaign of two keeps that nobody ran, confirmed with real runs: one is real, one is not."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoresearch_kit.campaign import adopt
from autoresearch_kit.campaign.context import find_context, read_notebook, with_profile_constants
from autoresearch_kit.campaign.options import Wishes, settle
from autoresearch_kit.errors import BusyError, InputError, KitError
from autoresearch_kit.execution import launch
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Constant,
    Experiment,
    Proposal,
    Reason,
    Run,
    RunSpec,
    Settings,
    Verdict,
)
from autoresearch_kit.reports.confirmation import Confirmation, Finding, Trial
from autoresearch_kit.reports.figures.drawing import Missing
from autoresearch_kit.reports.reading import Reader
from autoresearch_kit.reports.results import results
from autoresearch_kit.studies.confirm import confirming
from autoresearch_kit.studies.confirm.confirming import LEFT, Confirming
from autoresearch_kit.ui.cli.app import app
from tests.campaign import quick, scripted, tiny
from tests.campaign.test_campaign import left_running
from tests.ledger.ledger import SETTINGS, experiment
from tests.studies.nights import ran

FASTER = {"STEPS": 40}
"""Worth far more than the noise."""

SLOWER = {"RATE": 0.01}
"""Said to be a gain, and none."""


def write_night(root: Path, base: Experiment) -> None:
    """A baseline and two keeps, with made-up scores."""
    ledger = History(root, "night")
    notebook = TrainNotebook.read(root / "notebooks" / "train.ipynb")
    turned: list[dict[str, Constant]] = [{}, {**FASTER}, {**SLOWER}]
    for number, constants in enumerate(turned):
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
        ledger.append(made, notebook.text(), {})


@pytest.fixture
def night(project: Path) -> Workspace:
    """In a project that can't be run, since nothing of it is prepared."""
    (project / "notebooks" / "train.ipynb").write_text(
        tiny.notebook_text(config=scripted.CONFIG, train=scripted.TRAIN)
    )
    write_night(project, replace(experiment(0), settings=SETTINGS))
    return Workspace(project, "night")


def refused(*argv: str) -> str:
    done = CliRunner().invoke(app, ["confirm", *argv])
    assert isinstance(done.exception, InputError | BusyError)
    return str(done.exception)


def test_the_forecast_counts_runs(night: Workspace) -> None:
    forecast = Confirming(night.root, "night").forecast()
    # 3 runs without each of two keeps, 4 of the best, 3 of the pruned best
    assert (forecast.keeps, forecast.done, forecast.left, forecast.more) == (2, 0, 13, 10)
    assert forecast.seconds == 330.0


ENDED = """
import signal, sys, time
from autoresearch_kit.errors import Cancelled
from autoresearch_kit.ui import cli
from autoresearch_kit.studies.confirm import confirming
from autoresearch_kit.execution import launch
from tests.campaign import quick

def execute(*_, cancelled, **__):
    print("runs", flush=True)
    while not cancelled():
        time.sleep(0.05)
    raise Cancelled("killed")

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

confirming.find_context = quick.made_up_context
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
    goes_on = "go on with: autoresearch confirm night" if killed else LEFT
    assert goes_on in shown


def confirm_failing(found: Confirming, code: str) -> list[Run]:
    """Confirm with made-up runs, of which the kit fails those of this code."""

    def execute(spec: RunSpec, waiting: None = None, **_: Callable[[], bool]) -> Run:
        made = quick.made_up_run(spec, waiting)
        if TrainNotebook.parse(spec.notebook.read_text()).code() != code:
            return made
        return replace(made, score=None, failure=Reason.KIT_FAILED, detail="why")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(confirming, "find_context", quick.made_up_context)
        patch.setattr(launch, "execute", execute)
        return [progress.trial.run for progress in found.run()]


def test_a_variant_that_the_kit_fails_is_needed(night: Workspace) -> None:
    found = Confirming(night.root, "night")
    without = found.plan.without[0]
    runs = confirm_failing(found, without.code)
    assert [run.failure for run in runs].count(Reason.KIT_FAILED) == 1
    assert found.standing().finding(without) is Finding.NEEDED


def test_the_best_that_the_kit_fails_ends_confirming(night: Workspace) -> None:
    found = Confirming(night.root, "night")
    with pytest.raises(KitError, match="seed 1 could not be run: why"):
        confirm_failing(found, found.plan.best.code)


def test_a_campaign_that_cannot_be_confirmed_is_refused(night: Workspace) -> None:
    assert "--seeds is 1" in refused("night", "--seeds", "1")
    assert "not confirmed yet" in refused("night", "--json")
    assert isinstance(results("night", night.root).confirmation(), Missing)
    night.create()
    with night.lock():
        assert "campaign 'night' is being run by" in refused("night")


def test_a_night_without_keeps_is_refused(project: Path) -> None:
    baseline = TrainNotebook.read(project / "notebooks" / "train.ipynb")
    made = replace(experiment(0), proposal=Proposal(0, None, "baseline", "baseline", ""))
    History(project, "night").append(made, baseline.text(), {})
    assert refused("night") == "campaign 'night' has kept nothing yet, so nothing to confirm"


@dataclass(frozen=True)
class Confirmed:
    """A confirmation that was left after two runs, and gone on with; `first` are those runs."""

    workspace: Workspace
    first: tuple[Trial, ...]
    found: Confirmation
    done: tuple[Trial, ...]


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Confirmed:
    root = scripted.make_project(tmp_path_factory.mktemp("confirmed") / "project")
    wishes = tiny.wishes(corpus, scripted.TRAIN_SECONDS)
    settings: Settings = settle(root, "night", wishes)
    workspace = Workspace(root, "night")
    workspace.create()
    workspace.copy_kit()
    context = find_context(workspace, History(root, "night"), settings)
    write_night(root, replace(experiment(0), fingerprint=context.fingerprint, settings=settings))
    left = Confirming(root, "night", 2)
    runs = left.run()
    next(runs)
    next(runs)
    runs.close()
    trials = left.folder.trials()
    assert trials is not None
    for _ in Confirming(root, "night").run():
        pass
    found, again = left.folder.confirmation(), left.folder.trials()
    assert found is not None
    assert again is not None
    return Confirmed(workspace, trials.done, found, again.done)


@pytest.mark.slow
class TestConfirmed:
    def test_the_gain_is_real_and_the_loss_is_not(self, confirmed: Confirmed) -> None:
        findings = [(keep.finding, keep.stays) for keep in confirmed.found.keeps]
        assert findings == [(Finding.REAL, True), (Finding.FALSE, False)]

    def test_the_pruned_best_has_the_gain_only(self, confirmed: Confirmed) -> None:
        pruned = TrainNotebook.read(confirmed.workspace.folder / "confirm" / "pruned.ipynb")
        assert pruned.constants() == {"BATCH": 4, "RATE": 0.03, "WIDTH": 8, **FASTER}
        assert confirmed.found.prune

    def test_it_went_on_where_it_was_interrupted(self, confirmed: Confirmed) -> None:
        assert len(confirmed.first) == 2
        assert confirmed.done[:2] == confirmed.first
        assert len({(trial.code, trial.at) for trial in confirmed.done}) == 7 == len(confirmed.done)
        assert len({(trial.at, trial.run.seed) for trial in confirmed.done}) == 3
        assert left_running(confirmed.workspace.root) == []
        assert list((confirmed.workspace.folder / "confirm" / "runs").iterdir()) == []

    def test_results_are_shown_again_without_a_run(
        self, confirmed: Confirmed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(confirmed.workspace.root)
        shown = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["confirm", "night"])
        assert "false" in shown.output
        assert "adopt --from .autoresearch/night/confirm/pruned.ipynb" in shown.output
        printed = CliRunner().invoke(app, ["confirm", "night", "--json"]).output
        assert [keep["finding"] for keep in json.loads(printed)["keeps"]] == ["real", "false"]

        table = results("night", confirmed.workspace.root).confirmation()
        assert not isinstance(table, Missing)
        assert list(table["finding"]) == ["real", "false"]

    def test_the_next_campaign_begins_with_the_pruned_best(self, confirmed: Confirmed) -> None:
        root = confirmed.workspace.root
        pruned = confirmed.workspace.folder / "confirm" / "pruned.ipynb"
        adopt.adopt_file(root, pruned)
        settings = settle(root, "day", Wishes(profile="as-is"))
        begun = with_profile_constants(read_notebook(root, settings.notebook), settings.profile)
        assert begun.constants() == TrainNotebook.read(pruned).constants()
