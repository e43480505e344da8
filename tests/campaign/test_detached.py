"""The campaign process imports its own copy of the package, whatever lies in the project."""

from pathlib import Path

import pytest

from autoresearch_kit.campaign import context, detached
from autoresearch_kit.campaign.options import Wishes, settle
from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Limits
from tests.campaign.moments import ended


@pytest.fixture
def checkout(project: Path) -> Path:
    """A project that is a checkout of the kit, in the middle of an edit."""
    package = project / "autoresearch_kit"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('from the checkout')\n")
    return project


def test_the_campaign_process_does_not_run_the_checkouts_code(checkout: Path) -> None:
    settings = settle(checkout, "night", Wishes(dataset="nowhere"))
    workspace = Workspace(checkout, "night")
    assert ended(workspace, detached.start(workspace, settings, Limits())) == 1
    assert "no corpus 'nowhere'" in workspace.log.read_text()


def test_neither_does_the_preparing_of_a_corpus(checkout: Path) -> None:
    with pytest.raises(KitError, match="no corpus 'nowhere'"):
        context.prepare("nowhere")


def test_a_copy_of_another_version_is_refused_in_one_line(project: Path) -> None:
    workspace = Workspace(project, "night")
    (workspace.kit / "autoresearch_kit").mkdir(parents=True)
    settings = settle(project, "night", Wishes(dataset="nowhere"))
    with pytest.raises(InputError, match="was begun by another version of the kit"):
        detached.start(workspace, settings, Limits())
    assert workspace.running() is False
