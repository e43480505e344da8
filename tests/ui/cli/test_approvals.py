"""The commands and buttons by which a person answers, on a campaign whose runs are made up."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.settings import resume
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.reports.reading import Reader
from autoresearch_kit.reports.summary_words import summary_rows
from autoresearch_kit.ui.panel import Panel
from tests.campaign import made_up_runs, tiny
from tests.campaign.stub_pool import StubPool, Wants, run
from tests.ui.cli.test_commands import autoresearch
from tests.ui.panel.test_panel import press, shown

GATED = replace(made_up_runs.SETTINGS, approve=True)


@pytest.fixture
def root(project: Path) -> Path:
    """Make a campaign with two keeps that wait."""
    tiny.git(project, "config", "user.name", "Ada")
    tiny.git(project, "config", "user.email", "ada@example.org")
    pool = StubPool(Workspace(project, "night").runs, slots=1)
    run(project, pool, Wants({"WIDTH": 64}, {"WIDTH": 65}), GATED, experiments=2)
    return project


def test_commands_answer_and_say_what_is_best(root: Path) -> None:
    said = autoresearch(root, "approve", "night", "1", "--note", "looked at it")
    assert "experiment 1 of 'night' is approved by Ada <ada@example.org>" in said
    assert "the best is experiment 1" in said
    assert "still waiting for approval: 2" in said
    said = autoresearch(root, "reject", "night", "2")
    assert "is rejected by Ada" in said
    assert "waiting" not in said
    autoresearch(root, "approve", "night", "2", error="an answer is never changed")


def test_what_waits_is_shown_and_told_to_programs(root: Path) -> None:
    reader = Reader(root, "night")
    rows = dict(summary_rows(reader.read()))
    assert rows["waiting"].startswith("for approval: 1, 2; autoresearch")
    assert reader.read().record()["waiting"] == (1, 2)
    assert reader.read().best_row is reader.read().table[0]
    History(root, "night").answer(2, approved=True)
    reading = reader.read()
    assert (reading.waiting, reading.best_row) == ((1,), reading.table[2])
    assert "keep (better), waits for approval" in autoresearch(root, "history", "night")


def test_the_audit_trail_is_one_file(root: Path) -> None:
    assert autoresearch(root, "audit", "night").strip() == "night-audit.html"
    assert "Audit trail of campaign night" in (root / "night-audit.html").read_text()
    autoresearch(root, "audit", "night", "nowhere/x.html", error="no folder")


def test_the_panel_approves_what_it_shows(root: Path) -> None:
    panel = Panel("night", root=root)
    panel.refresh()
    panel.opened.show(History(root, "night"), 1)
    assert "WIDTH = 64" in shown(panel)
    press(panel, "Approve")
    assert "approved by Ada" in panel.opened.said.value
    assert History(root, "night").experiment(1).kept
    assert panel.opened.approve.layout.display == "none"


def test_a_panel_without_an_open_keep_offers_no_answer(root: Path) -> None:
    panel = Panel("night", root=root)
    panel.opened.show(History(root, "night"), 0)
    assert panel.opened.reject.layout.display == "none"


def test_a_campaign_can_not_begin_to_wait_half_way(root: Path) -> None:
    with pytest.raises(InputError, match="was started without --approve"):
        resume(root, "night", made_up_runs.SETTINGS, Options(approve=True))
    assert resume(root, "night", GATED, Options()).approve
