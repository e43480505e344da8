"""Campaigns, notebooks and texts of strangers: nothing runs, nothing steers, nothing swells."""

import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import adopt
from autoresearch_kit.campaign.context import read_notebook
from autoresearch_kit.campaign.detached import LineFormatter
from autoresearch_kit.errors import EditError, InputError, KitError
from autoresearch_kit.files.bounded import read_all
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History, campaigns, is_tag
from autoresearch_kit.machine.profiles import SMALL_NOTEBOOK
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import is_word
from autoresearch_kit.records import CellEdit, EditAction
from autoresearch_kit.records.text import visible
from autoresearch_kit.reports import status
from autoresearch_kit.reports.reading import Reader
from autoresearch_kit.researchers.llm.prompt import DIRECTIVE_LIMIT, read_directive
from autoresearch_kit.ui import cli
from autoresearch_kit.ui.panel.directive import Directive
from tests.campaign import made_up_runs, tiny
from tests.ledger import ledger

STEERING = (
    "\x1b[2J\x1b]0;owned\x07\r\x9b31m\x7f\u202etxt\u2066\n2026-03-08 ERROR forged\n[red]x[/red]"
)


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Return what `autoresearch ARGV` prints, and the error it ends with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["autoresearch", *argv])
        with pytest.raises(SystemExit) as end:
            cli.main()
    shown = capsys.readouterr()
    return shown.out + shown.err + str(end.value.code)


def steers(text: str) -> list[str]:
    return [mark for mark in text if not mark.isprintable() and mark not in "\n\t"]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project with a stranger's campaign, full of control characters."""
    project = tiny.make_project(tmp_path_factory.mktemp("sent") / "project")
    history = History(project, "night")
    notebook = tiny.notebook_text()
    history.append(ledger.experiment(0, 1.5, idea=STEERING, hypothesis=STEERING), notebook, {})
    made = ledger.experiment(1, 1.4, idea=STEERING, hypothesis=STEERING)
    proposal = replace(made.proposal, model=STEERING, guidance=STEERING, lessons=STEERING)
    made = replace(made, detail=STEERING, proposal=replace(proposal, category=STEERING))
    history.append(made, tiny.notebook_text(model=f"x = '''{STEERING}'''"), {})
    workspace = Workspace(project, "night")
    workspace.write_guidance(STEERING)
    workspace.write_settings(ledger.SETTINGS)
    return project


@pytest.fixture
def strangers(sent: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make that project the current folder."""
    monkeypatch.chdir(sent)
    return sent


COMMANDS = (
    "history night",
    "history night --json",
    "history night --tsv",
    "show night 1",
    "show night 1 --json",
    "status",
    "status --json",
    "guide night",
    "lessons night",
)


@pytest.mark.parametrize(
    "argv",
    [
        *map(str.split, COMMANDS),
        ("show", "night", STEERING),
        ("history", STEERING),
        ("adopt", "--from", STEERING),
    ],
    ids=lambda argv: " ".join(argv).replace(STEERING, "STEERING"),
)
def test_no_text_controls_the_terminal(
    argv: tuple[str, ...], strangers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert steers(printed(capsys, *argv)) == []


def test_json_holds_the_original_text(strangers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "show", "night", "1", "--json").removesuffix("0")
    assert json.loads(out)["proposal"]["idea"] == STEERING


def test_a_log_message_can_not_forge_lines() -> None:
    record = logging.LogRecord("autoresearch", logging.INFO, "", 0, "%s", (STEERING,), None)
    line = LineFormatter("%(asctime)s %(levelname)s %(message)s").format(record)
    assert "\n" not in line
    assert steers(line) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("naïve\t100 %\nline", "naïve\t100 %\nline"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb", "a\\rb"),
        ("\x9b\x7f\u202e\U000e0001", "\\x9b\\x7f\\u202e\\U000e0001"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


MARKER = "ran.txt"
RUNS = f"open({MARKER!r}, 'w').write('x')"
HOSTILE = {
    "plain": tiny.notebook_text(model=RUNS),
    "in setup": tiny.notebook_text(setup=f"{RUNS}\n{tiny.CELLS['setup']}"),
    "magic": tiny.notebook_text(setup=f"!touch {MARKER}\n{tiny.CELLS['setup']}"),
    "in a constant": tiny.notebook_text(config=f"BATCH = {RUNS}"),
    "decorator": tiny.notebook_text(model=f"@({RUNS})\nclass X: pass"),
    "another kernel": tiny.notebook_text().replace('"python3"', f'"touch {MARKER}"'),
    "unnamed": tiny.notebook_text(model=RUNS).replace('"name"', '"title"'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_reading_a_notebook_runs_nothing(name: str, project: Path) -> None:
    path = project / "theirs.ipynb"
    path.write_text(HOSTILE[name])
    for read in (
        lambda: adopt.adopt_file(project, path, force=True),
        lambda: read_notebook(project, SMALL_NOTEBOOK),
        lambda: TrainNotebook.read(path).constants(),
        lambda: Reader(project, "night").read(),
    ):
        with suppress(KitError):
            read()
    assert not (project / MARKER).exists()


BOMBS: dict[str, Callable[[], bytes]] = {
    "50 MB of source": lambda: tiny.notebook_text(model=f"x = '{'a' * 50_000_000}'").encode(),
    "rubbish": lambda: os.urandom(1000),
    "zeros": lambda: bytes(1_000_000),
    "deep": lambda: b'{"nbformat": 4, "cells": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "half a character": lambda: tiny.notebook_text().replace("BATCH", "\\ud800").encode(),
    "a number for a source": lambda: (
        b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 1}]}'
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_broken_notebook_is_one_line(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project / "notebooks" / "train.ipynb"
    path.write_bytes(BOMBS[name]())
    for argv in (("adopt", "--from", str(path)), ("run", "night")):
        said = printed(capsys, *argv)
        assert str(path) in said
        assert "error: " in said
        assert len(said) < 1000


@pytest.mark.parametrize(
    "source",
    ["x = " + "-" * 3000 + "1", "x = a" + ".b" * 900, "x = 1\x00", "x = " + "9" * 9999],
    ids=["deep", "long", "a null", "a large number"],
)
def test_code_that_python_rejects_is_an_edit_error(source: str) -> None:
    baseline = TrainNotebook.parse(tiny.notebook_text())
    edited = baseline.apply([CellEdit(EditAction.REPLACE, "model", source)], {})
    with pytest.raises(EditError, match="cell 'model'"):
        edited.check(baseline)


@pytest.mark.parametrize(
    ("data", "shown", "why"),
    [
        (b"wider\n" + b"x" * 50_000_000, "wider\nxxx", "has 50.0 MB; at most 1 are read"),
        (b"\xff\xfewider\x1b[2J", "wider", "is no text"),
    ],
    ids=["huge", "binary"],
)
def test_a_strange_program_md_is_read_and_not_edited(
    data: bytes, shown: str, why: str, project: Path
) -> None:
    (project / "program.md").write_bytes(data)
    assert shown in read_directive(project)
    assert len(read_directive(project)) <= DIRECTIVE_LIMIT
    with pytest.raises(InputError, match=f"program.md {why}"):
        Directive(project)


@pytest.mark.parametrize("kind", ["pipe", "folder", "endless"])
def test_a_program_md_that_is_no_file_is_refused(kind: str, project: Path) -> None:
    path = project / "program.md"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"program\.md"):
        read_directive(project)


def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_all(tmp_path / "x", 5) == b"12345"
    with pytest.raises(InputError):
        read_all(tmp_path / "x", 4)


NAMES = [
    "", ".", "..", "../x", "a/b", "/etc", "a\\b", "-x", "--all", "--upload-pack=x", "x.lock",
    "a..b", "x.", ".x", "a b", "a\nb", "a\x00b", "@{-1}", "@", "x^", "x~1", "x:y", "x?", "x*",
    "[x]", "é", "x" * 300, "$(x)", "`x`", "%PATH%", "\x1b[2J", "\u202ex",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_hostile_name_is_refused(name: str, tmp_path: Path) -> None:
    assert not is_tag(name)
    assert not is_word(name)
    with pytest.raises(InputError):
        History(tmp_path, name)
    insert = CellEdit(EditAction.INSERT, name, "", "model")
    with pytest.raises(EditError, match="can't be named"):
        TrainNotebook.parse(tiny.notebook_text()).apply([insert], {})


def test_a_command_with_a_hostile_name_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(project.rglob("*"))
    for name in NAMES:
        for command in ("run", "bundle"):
            if "\x00" not in name and not name.startswith("-"):
                assert "error: " in printed(capsys, command, name)
    assert sorted(project.rglob("*")) == before


def test_refs_and_folders_of_no_campaign_are_ignored(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up_runs.run(project, 0)
    record = tiny.git(project, "rev-parse", "refs/autoresearch/night/0000").strip()
    for name in ("-x", "é", "x" * 60, "$(x)", "@", "%s"):
        tiny.git(project, "update-ref", f"refs/autoresearch/{name}/0000", record)
    for number in ("00000", "١٢٣٤", "9" * 40):
        tiny.git(project, "update-ref", f"refs/autoresearch/night/x{number}", record)
    for folder in ("a b", "-x", "\x1b[2J"):
        (project / ".autoresearch" / folder).mkdir()
        (project / ".autoresearch" / folder / "state.json").write_text("{}")
    assert campaigns(project) == ["night"]
    assert status.known_campaigns(project) == ["night"]
    assert steers(printed(capsys, "status")) == []


def test_a_committed_package_is_not_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = project / ".autoresearch" / "night" / "kit" / "autoresearch_kit"
    (theirs / "campaign").mkdir(parents=True)
    (theirs / "campaign" / "detached.py").write_text(RUNS)
    tiny.git(project, "add", "--force", ".autoresearch")
    assert "error: git tracks files in .autoresearch" in printed(capsys, "run", "night")
    assert not (project / MARKER).exists()
