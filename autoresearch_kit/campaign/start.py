"""Start a campaign, or go on with it: `start` refuses what can be refused, `spawn` begins.

The campaign is a process of its own, which outlives terminal, browser and notebook. It runs from
its own copy of the package; `detached.py` is what that process does.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from autoresearch_kit.campaign import context, detached
from autoresearch_kit.campaign.background import WEBHOOK
from autoresearch_kit.campaign.heartbeat import starting
from autoresearch_kit.campaign.model_options import KEY, NO_ENDPOINT, ModelOptions, find_model
from autoresearch_kit.campaign.pools import is_elsewhere
from autoresearch_kit.campaign.settings import aims_changed
from autoresearch_kit.errors import BusyError, InputError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.execution.sandbox.visible_files import absent_hidden
from autoresearch_kit.files import lock
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine import gpu_nodes
from autoresearch_kit.records import Destinations, Limits, Settings, TaskInfo, codec
from autoresearch_kit.researchers import Model
from autoresearch_kit.tasks.kinds import read_info
from autoresearch_kit.tasks.measured.check import check_task
from autoresearch_kit.tasks.measured.layout import TASK_FILE

NOT_PASSED_ON = ("MPLBACKEND", "FORCE_COLOR", "JPY_PARENT_PID", KEY, WEBHOOK)
NOT_PASSED_ON_PREFIXES = ("CLICOLOR", "PYDEVD")
"""Variables that a notebook's kernel sets for itself, which would mislead the campaign; secrets."""


class Sandboxing(StrEnum):
    """The choice whether a campaign may start where bubblewrap can't be used."""

    AUTO = "auto"
    REQUIRE = "require"


def start(
    workspace: Workspace,
    settings: Settings,
    limits: Limits,
    asked: ModelOptions,
    destinations: Destinations | None,
    environment: Mapping[str, str],
    say: Callable[[str], object],
    sandboxing: Sandboxing = Sandboxing.AUTO,
) -> subprocess.Popen[bytes]:
    """Start campaign `workspace.tag`, or go on with it, as a process of its own.

    The key and the address of a language model are taken from `environment`. Without
    `destinations`, those of the last start stay. `say` is told what the user should know. Prepares
    the corpus where that was not yet done, which takes a minute, or many where it is large.

    Raises:
        BusyError: it is running already; nothing is changed then.
        KitError: it can't be started; the message says what to do.
    """
    if workspace.running():  # known at once, not after a corpus is prepared
        raise BusyError(workspace.held_by())
    elsewhere = is_elsewhere(settings.pool)
    gap = "" if elsewhere else bubblewrap.why_not()
    if sandboxing is Sandboxing.REQUIRE:
        _check_sandbox(gap, elsewhere=elsewhere)
    History(workspace.root, workspace.tag).check()
    if settings.task.folder:
        _check_is_there(workspace, settings.task.folder)
        say(f"notebook: {settings.notebook}")
        check_task(workspace.root, settings.task.folder)
        if aims_changed(workspace.root, settings):
            say(
                f"warning: {settings.task.folder}/{TASK_FILE} was changed since '{workspace.tag}' "
                "was begun, which keeps its metrics, objectives, bounds and budget; other bounds: "
                f"autoresearch bound {workspace.tag}"
            )
    else:
        say(f"notebook: {settings.notebook}, profile {settings.profile}")
    context.read_notebook(workspace.root, settings.notebook)
    model = find_model(workspace, settings, limits, asked, environment)
    if model is not None:
        model.check(must_answer=True)
    elif settings.researcher == "llm":
        say(f"warning: {NO_ENDPOINT}")
    looks = not elsewhere and gpu_nodes.may_have_gpu()
    if looks and (unused := machine_probe.unused_gpu(machine_probe.probe())):
        say(f"warning: {unused}: runs compute on the CPU; what to do: autoresearch doctor")
    info = read_info(context.prepare_for(workspace.root, settings))
    for path in absent_hidden(info.hides) if isinstance(info, TaskInfo) else ():
        say(f"warning: {settings.task.folder} hides {path}, which no installed package here has")
    if gap:
        say(f"warning: {gap}; notebook code runs as you, though without secrets")
    return spawn(workspace, settings, limits, model, destinations)


def _check_sandbox(gap: str, *, elsewhere: bool) -> None:
    """Check that `--sandbox require` holds; InputError if not: `gap` says why bubblewrap can't."""
    if elsewhere:
        raise InputError(
            "--sandbox require looks at this machine, and runs are carried out on others; leave "
            "it out: the log says which slots have no bubblewrap"
        )
    if gap:
        raise InputError(
            f"{gap}, and --sandbox require asks for it; {bubblewrap.way_out()}. Or leave the "
            f"option out: notebook code then runs as you, though without secrets"
        )


def spawn(
    workspace: Workspace,
    settings: Settings,
    limits: Limits,
    model: Model | None = None,
    destinations: Destinations | None = None,
) -> subprocess.Popen[bytes]:
    """Start the campaign's process.

    The campaign's lock is taken here and handed over, so that there is no moment at which nobody
    holds the campaign, or hears what is asked of it. Without `destinations`, those of the last
    start stay.

    Raises:
        BusyError: it is running already; nothing is changed then.
        InputError: the campaign's own copy of the package is one that this version can't start.
    """
    workspace.create()
    _check_kit_copy(workspace)
    held = workspace.take_lock()
    try:
        workspace.copy_kit()
        workspace.write_state(starting(workspace.tag, limits))
        if model is not None:
            workspace.write_research(model.research)
        if destinations is not None:
            workspace.write_destinations(destinations)
        process = _start_process(workspace, settings, limits, held)
    except BaseException:
        lock.release(held)
        raise
    os.close(held)  # the process holds the campaign now
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # it says itself why it died
        if model is not None:
            pipe.write(codec.compact(model))
    return process


def _check_is_there(workspace: Workspace, folder: str) -> None:
    """Refuse to go on with a campaign whose task was moved away, or deleted, since its start."""
    if not (workspace.root / folder / TASK_FILE).exists():
        raise InputError(
            f"campaign '{workspace.tag}' was started with the task in {folder}, which has no "
            f"{TASK_FILE} now; bring the folder back to that place, as with git, or start another "
            "tag with --task"
        )


def _check_kit_copy(workspace: Workspace) -> None:
    module = detached.MODULE
    copy = workspace.kit.joinpath(*module.split(".")).with_suffix(".py")
    if workspace.kit.exists() and not copy.is_file():
        raise InputError(
            f"campaign '{workspace.tag}' was begun by another version of the kit, whose copy in "
            f"{workspace.kit} has no {module}: go on with that version, or start another tag. "
            "What it found can be read and adopted by this version too"
        )


def _start_process(
    workspace: Workspace, settings: Settings, limits: Limits, held: int
) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-P", "-m", detached.MODULE, str(workspace.root), workspace.tag]
    argv += [codec.encode(settings).decode(), codec.encode(limits).decode()]
    with workspace.log.open("ab") as log:
        return subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=workspace.root,
            env=_environment(workspace.kit) | {detached.LOCK: str(held)},
            pass_fds=(held,),
            start_new_session=True,
        )


def _environment(kit: Path) -> dict[str, str]:
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in NOT_PASSED_ON and not name.startswith(NOT_PASSED_ON_PREFIXES)
    }
    return env | {"PYTHONPATH": str(kit)}
