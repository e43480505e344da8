"""Settle the settings of campaigns on a task's folder."""

from pathlib import Path

import pytest

from autoresearch_kit.campaign import context, start
from autoresearch_kit.campaign.model_options import ModelOptions
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import FingerprintError, InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import LANGUAGE_MODELLING, Clock, Limits, Settings
from autoresearch_kit.tasks.kinds import read_info
from autoresearch_kit.tasks.measured.scaffold import new_task
from autoresearch_kit.verdicts.comparable import check_comparable, fingerprint
from tests.campaign import made_up_runs
from tests.tasks.measured.folders import scaffolded


@pytest.fixture
def toy(project: Path) -> Path:
    return scaffolded(project)


def begun(project: Path, options: Options) -> Settings:
    """Settle a campaign, and write down that it was begun."""
    settings = settle(project, "night", options)
    workspace = Workspace(project, "night")
    workspace.create()
    workspace.write_settings(settings)
    return settings


@pytest.mark.usefixtures("toy")
def test_a_task_brings_its_notebook_data_and_budget(project: Path) -> None:
    settings = settle(project, "night", Options(task="toy"))
    assert (settings.task.name, settings.task.folder) == ("toy", "toy")
    assert (settings.dataset, settings.notebook) == ("toy", "toy/train.ipynb")
    assert (settings.train_seconds, settings.profile) == (5, "as-is")
    assert settings.vocab_size is None


def test_a_metric_of_ones_own_has_no_known_noise_whatever_its_name(
    toy: Path, project: Path
) -> None:
    told = toy / "task.toml"
    told.write_text(told.read_text().replace('"rmse"', '"val_bpb"'))
    assert settle(project, "night", Options(task="toy")).seeds == 5


@pytest.mark.usefixtures("toy")
def test_options_override_the_budget_of_a_task(project: Path) -> None:
    assert settle(project, "night", Options(task="toy", train_seconds=9)).train_seconds == 9


def test_no_task_is_language_modelling(project: Path) -> None:
    assert settle(project, "night", Options()).task == LANGUAGE_MODELLING


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(task="toy", dataset="stdlib"), "--dataset is for language modelling"),
        (Options(task="toy", profile="cpu"), "--profile cpu sets constants of the kit's own"),
        (Options(task="toy", pool="ray"), "give --clock wall for GPUs, cpu for CPUs"),
        (Options(task="tow"), r"no task.toml in tow; make a task with: autoresearch new NAME"),
        (Options(task=".."), "can't be a task: it must be a folder in the project"),
        (Options(task="to\ny"), "its path must be UTF-8, on one line: rename or move it"),
        (Options(task="to\udcff"), "its path must be UTF-8, on one line: rename or move it"),
        (Options(task="x" * 300), "can't be read: .*File name too long"),
        (Options(task="."), "can't be a task: it must be a folder in the project"),
    ],
)
def test_options_that_no_task_can_have_are_refused(
    options: Options, words: str, project: Path
) -> None:
    with pytest.raises(InputError, match=words):
        settle(project, "night", options)


def test_a_link_to_itself_is_no_task(project: Path) -> None:
    (project / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=r"loop/task\.toml can't be read"):
        settle(project, "night", Options(task="loop"))


@pytest.mark.usefixtures("toy")
def test_a_cluster_needs_only_the_clock_of_a_task(project: Path) -> None:
    options = Options(task="toy", pool="ray", clock=Clock.CPU)
    assert settle(project, "night", options).pool == "ray"


@pytest.mark.usefixtures("toy")
def test_a_campaign_goes_on_with_its_own_task_only(project: Path) -> None:
    settings = begun(project, Options(task="toy"))
    new_task(project / "other")
    assert settle(project, "night", Options()) == settings
    assert settle(project, "night", Options(task="toy")) == settings
    with pytest.raises(InputError, match="'night' was started with --task toy, and other would"):
        settle(project, "night", Options(task="other"))


@pytest.mark.usefixtures("toy")
def test_a_language_model_campaign_takes_no_task(project: Path) -> None:
    begun(project, Options())
    with pytest.raises(InputError, match="'night' was started without --task, and toy would"):
        settle(project, "night", Options(task="toy"))


def test_values_of_a_changed_measurement_are_not_compared(toy: Path, project: Path) -> None:
    settings = begun(project, Options(task="toy"))
    before = read_info(context.prepare_for(project, settings))
    (toy / "hidden" / "test.npz").write_bytes(b"others")
    after = read_info(context.prepare_for(project, settings))
    with pytest.raises(FingerprintError, match="bring back the hidden data and the measurement"):
        check_comparable(*(fingerprint(each, made_up_runs.MACHINE, 1) for each in (before, after)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('name = "rmse"', 'name = "rms"'),
        ("bounds = [", 'bounds = ["rmse <= 9", '),
        ("[[metrics]]", 'objectives = ["rmse", "nodes"]\n[[metrics]]'),
        ('unit = ""', 'unit = "m"'),
    ],
)
def test_a_changed_task_file_is_refused_before_the_baseline(
    before: str, after: str, toy: Path, project: Path
) -> None:
    begun(project, Options(task="toy"))
    told = toy / "task.toml"
    assert before in told.read_text()
    told.write_text(told.read_text().replace(before, after, 1))
    with pytest.raises(InputError, match="begin it anew: autoresearch delete night"):
        settle(project, "night", Options())


def test_a_change_that_does_not_count_is_told_at_the_start(toy: Path, project: Path) -> None:
    class StoppedError(Exception):
        pass

    def say(text: str) -> None:
        if "toy/task.toml was changed since 'night' was begun" in text:
            raise StoppedError

    settings = begun(project, Options(task="toy"))
    told = toy / "task.toml"
    told.write_text(told.read_text().replace("bounds = [", 'bounds = ["rmse <= 9", '))
    workspace = Workspace(project, "night")
    with pytest.raises(StoppedError):
        start.start(workspace, settings, Limits(), ModelOptions(), None, {}, say)


@pytest.mark.usefixtures("toy")
def test_options_in_place_of_the_task_files_are_no_change_of_it(project: Path) -> None:
    asked = Options(task="toy", objectives="rmse,nodes", bound=("rmse <= 9",), train_seconds=9)
    settings = begun(project, asked)
    assert settle(project, "night", Options()) == settings


def test_a_task_that_was_moved_away_is_asked_for(toy: Path, project: Path) -> None:
    settings = begun(project, Options(task="toy"))
    toy.rename(project / "elsewhere")
    workspace = Workspace(project, "night")
    with pytest.raises(InputError, match=r"the task in toy, which has no .*; bring the"):
        start.start(workspace, settings, Limits(), ModelOptions(), None, {}, print)


def test_no_campaign_starts_with_a_wrong_task(toy: Path, project: Path) -> None:
    settings = settle(project, "night", Options(task="toy"))
    (toy / "measure.ipynb").unlink()
    workspace = Workspace(project, "night")
    with pytest.raises(InputError, match=r"toy/measure.ipynb: no notebook at"):
        start.start(workspace, settings, Limits(), ModelOptions(), None, {}, print)
    assert not workspace.folder.exists()
