"""Write an experiment's executed notebook to a file, and find the JupyterLab that shows it."""

import importlib.util
import os
from pathlib import Path
from urllib.parse import quote, urlencode

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import handover
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.workspace import hide_from_git
from autoresearch_kit.ledger import History

FOLDER = "opened"  # a folder of the project, since JupyterLab shows no hidden ones; ignored by git


def write_executed(history: History, number: int) -> Path:
    """Write the executed notebook of an experiment into the project, and return its path.

    It is a copy to read and play with: the next call for the same experiment overwrites it.

    Raises:
        InputError: the experiment never ran.
        LedgerError: there is no such experiment; the message names those there are.
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
    """Return the address at which a running JupyterLab of this user shows the file `path`.

    `root` is the project's folder. `server` is the process id of the server to ask, None for any.
    The address has the server's token in it, so it is for the user only. None if no server serves
    the project's folder, or one above it.
    """
    if importlib.util.find_spec("jupyter_server") is None:
        return None
    from jupyter_server.serverapp import list_running_servers  # installed with JupyterLab

    root, serving = root.resolve(), []
    for info in list_running_servers():
        served = Path(info["root_dir"]).resolve()
        shown = root.relative_to(served).parts if root.is_relative_to(served) else (".",)
        hidden = any(part.startswith(".") for part in shown)  # JupyterLab shows no such folder
        if server in (None, info["pid"]) and not hidden:
            serving.append((served, info))
    if not serving:
        return None
    served, info = max(serving, key=lambda pair: len(pair[0].parts))
    query = "?" + urlencode({"token": info["token"]}) if info.get("token") else ""
    return f"{info['url']}lab/tree/{quote(path.resolve().relative_to(served).as_posix())}{query}"


def own_server() -> int:
    """Return the process id of the Jupyter server that started this kernel; 0 if none did."""
    return int(os.environ.get("JPY_PARENT_PID", "0"))  # set by jupyter_client
