"""An executed notebook comes out of git, and is found in the JupyterLab that runs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from urllib.request import urlopen

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
    """A baseline with its executed notebook, and an experiment that never ran."""
    made = History(ledger.project(tmp_path / "top" / "my project"), "night")
    made.append(ledger.experiment(0), "notebook\n", {handover.recorded_file(): EXECUTED})
    made.append(ledger.never_ran(1), "notebook\n", {})
    return made


def test_the_notebook_lies_where_jupyterlab_shows_it_and_git_does_not(history: History) -> None:
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


@pytest.fixture
def server(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[str]]:
    """A Jupyter server on the folder above the project, which has begun to serve."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    argv = [sys.executable, "-m", "jupyter_server", "--no-browser", "--port=0", "--ip=127.0.0.1"]
    argv += ["--allow-root", f"--ServerApp.root_dir={history.root.parent}"]
    with serving(argv, history.root, dict(os.environ)) as (running, _):
        yield running


@contextmanager
def serving(
    argv: list[str], folder: Path, env: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a Jupyter server; give its process, and what it printed until others can find it.

    It writes the file by which it is found before it says how to access it.
    """
    with subprocess.Popen(argv, cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        try:
            lines = iter(running.stderr)
            ready = "Or copy and paste one of these URLs"
            yield running, "".join(takewhile(lambda line: ready not in line, lines))
        finally:
            running.terminate()
            running.communicate()


@pytest.mark.slow
def test_without_a_server_the_command_starts_one_on_the_project(
    history: History, tmp_path: Path
) -> None:
    home = tmp_path / "jupyter"
    home.mkdir()
    config = {"ServerApp": {"allow_root": True, "open_browser": False, "port": 0}}
    (home / "jupyter_server_config.json").write_text(json.dumps(config))
    argv = [*lab.AUTORESEARCH, "open", "night", "0"]
    with serving(argv, history.root, lab.environment(home)) as (_, printed):
        assert "/lab/tree/opened/night/0000.ipynb?token=" in printed
        served = [json.loads(path.read_text()) for path in home.glob("runtime/jpserver-*.json")]
        assert [info["root_dir"] for info in served] == [str(history.root)]


def test_no_server_has_no_address(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    assert lab_address(history.root, history.root / "x.ipynb") is None


@pytest.mark.slow
def test_a_server_that_runs_shows_the_notebook(
    history: History, server: subprocess.Popen[str], tmp_path: Path
) -> None:
    path = write_executed(history, 0)
    address = lab_address(history.root, path)
    assert address is not None
    assert "/lab/tree/my%20project/opened/night/0000.ipynb?token=" in address
    with urlopen(address.replace("/lab/tree/", "/api/contents/"), timeout=60) as answer:
        assert answer.status == 200
    hidden = tmp_path / "top" / ".hidden"
    assert lab_address(hidden, hidden / "x.ipynb") is None
    assert lab_address(tmp_path, tmp_path / "x.ipynb") is None
    assert lab_address(history.root, path, server.pid) == address
    assert lab_address(history.root, path, os.getpid()) is None
