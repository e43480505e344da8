"""Executed notebooks are written out of git, and shown by the JupyterLab that runs."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.execution import handover
from autoresearch_kit.ledger import History
from autoresearch_kit.ui.opening import lab_address, write_executed
from tests.campaign import tiny
from tests.ledger import ledger
from tests.ui.browser import lab

EXECUTED = tiny.notebook_text().encode()


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Return a baseline with its executed notebook, and an experiment that never ran."""
    made = History(ledger.project(tmp_path / "top" / "my project"), "night")
    made.append(ledger.experiment(0), "notebook\n", {handover.recorded_file(): EXECUTED})
    made.append(ledger.never_ran(1), "notebook\n", {})
    return made


def test_jupyterlab_shows_the_notebook_and_git_ignores_it(history: History) -> None:
    path = write_executed(history, 0)
    assert path == history.root / "opened" / "night" / "0000.ipynb"
    assert path.read_bytes() == EXECUTED
    assert tiny.git(history.root, "status", "--porcelain") == ""


def test_an_experiment_without_a_notebook_is_refused(history: History) -> None:
    with pytest.raises(InputError, match=r"experiment 1 of 'night' never ran \(invalid edit: "):
        write_executed(history, 1)
    with pytest.raises(LedgerError, match="no experiment 7 in campaign 'night'; there: 0 to 1"):
        write_executed(history, 7)
    assert not (history.root / "opened").exists()


@contextmanager
def serving(
    argv: list[str], folder: Path, env: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a Jupyter server; yield its process, and what it printed until others can see it.

    It writes the file by which it is found before it says how to access it.
    """
    with subprocess.Popen(argv, cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        try:
            ready = "Or copy and paste one of these URLs"
            yield running, "".join(takewhile(lambda line: ready not in line, running.stderr))
        finally:
            running.terminate()
            running.communicate()


@pytest.mark.slow
def test_the_started_server_shows_the_notebook(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "jupyter"
    home.mkdir()
    for name, value in lab.environment(home).items():
        monkeypatch.setenv(name, value)
    path = write_executed(history, 0)
    assert lab_address(history.root, path) is None
    own = {"allow_root": True, "open_browser": False, "port": 0, "ip": "127.0.0.1"}
    config = {"ServerApp": own}
    (home / "jupyter_server_config.json").write_text(json.dumps(config))
    argv = [*lab.AUTORESEARCH, "open", "night", "0"]
    with serving(argv, history.root, dict(os.environ)) as (server, printed):
        address = lab_address(history.root, path, server.pid)
        assert address is not None
        assert "/lab/tree/opened/night/0000.ipynb?token=" in address
        assert address.rpartition("/lab/")[2] in printed
        hidden = history.root / ".hidden"
        assert lab_address(hidden, hidden / "x.ipynb") is None
        assert lab_address(tmp_path, tmp_path / "x.ipynb") is None
        assert lab_address(history.root, path, os.getpid()) is None
        nested = history.root / "a b"
        assert "/lab/tree/a%20b/x.ipynb" in str(lab_address(nested, nested / "x.ipynb"))
