from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.settling import Wishes, settle
from autoresearch_kit.workspace import Workspace


def test_a_budget_of_five_minutes_is_the_default(project: Path) -> None:
    assert settle(project, "night", Wishes()).train_seconds == 300


def test_the_wall_is_twice_the_budget_and_a_start(project: Path) -> None:
    assert settle(project, "night", Wishes(train_seconds=60)).wall_seconds == 240


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_must_be_more_than_nothing(project: Path, seconds: float) -> None:
    with pytest.raises(InputError, match="--train-seconds"):
        settle(project, "night", Wishes(train_seconds=seconds))


def test_a_wall_below_the_budget_is_refused(project: Path) -> None:
    with pytest.raises(InputError, match="less than the training budget"):
        settle(project, "night", Wishes(train_seconds=60, wall_seconds=50))


def begun(project: Path) -> None:
    workspace = Workspace(project, "night")
    workspace.create()
    workspace.write_settings(settle(project, "night", Wishes(train_seconds=60)))


def test_a_campaign_goes_on_with_what_it_was_started_with(project: Path) -> None:
    begun(project)
    assert settle(project, "night", Wishes()).train_seconds == 60


@pytest.mark.parametrize("wishes", [Wishes(train_seconds=30), Wishes(dataset="other")])
def test_another_budget_or_corpus_is_refused(project: Path, wishes: Wishes) -> None:
    begun(project)
    with pytest.raises(InputError, match=r"was started with .* another tag"):
        settle(project, "night", wishes)


def test_a_path_is_the_same_from_every_folder(
    project: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus.parent)
    assert settle(project, "night", Wishes(dataset=f"./{corpus.name}")).dataset == str(corpus)
