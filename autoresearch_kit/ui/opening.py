"""`open`: an experiment's executed notebook, as a file that JupyterLab shows."""

import importlib.util
import os
from pathlib import Path
from urllib.parse import quote, urlencode

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import handover
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.workspace import hide_from_git
from autoresearch_kit.ledger import History

FOLDER = "opened"
"""In the project, since JupyterLab shows no hidden folder; ignored by git."""


def write_executed(history: History, number: int) -> Path:
    """Write the executed notebook of an experiment into the project; returns its path.

    It is a copy to look at and play with: the next call for the same experiment writes it afresh.

    Raises:
        InputError: the experiment never ran.
        LedgerError: there is no such experiment; the message says which there are.
    """
    experiment = history.experiment(number)
    if not experiment.runs:
        raise InputError(
            f"experiment {number} of '{history.tag}' never ran ({experiment.reason}: "
            f"{experiment.detail}), so there is no executed notebook"
        )
    folder = history.root / FOLDER
    hide_from_git(folder)
    path = folder / history.tag / f"{number:04d}.ipynb"
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, history.file(number, handover.recorded_file()))
    return path


def lab_address(root: Path, path: Path, server: int | None = None) -> str | None:
    """Where a running Jupyter server of this user shows the file `path` of the project at `root`.

    `server` is the process id of the one that is asked about; None for any. The address holds the
    server's token: it is for the user's own eyes. None if no such server serves the project's
    folder, or one above it.
    """
    if importlib.util.find_spec("jupyter_server") is None:
        return None
    from jupyter_server.serverapp import list_running_servers  # it comes with JupyterLab, if at all

    asked = [info for info in list_running_servers() if server in (None, info["pid"])]
    servers = [(Path(info["root_dir"]).resolve(), info) for info in asked]
    serving = [one for one in servers if _shows(one[0], root.resolve())]
    if not serving:
        return None
    folder, info = max(serving, key=lambda one: len(one[0].parts))
    query = "?" + urlencode({"token": info["token"]}) if info.get("token") else ""
    return f"{info['url']}lab/tree/{quote(path.resolve().relative_to(folder).as_posix())}{query}"


def own_server() -> int:
    """The process id of the Jupyter server that started this kernel; 0 if none did."""
    return int(os.environ.get("JPY_PARENT_PID", "0"))  # set by jupyter_client


def _shows(served: Path, root: Path) -> bool:
    """Whether a server of one folder shows another: it lies there, and not under a hidden one."""
    if not root.is_relative_to(served):
        return False
    return not any(part.startswith(".") for part in root.relative_to(served).parts)
