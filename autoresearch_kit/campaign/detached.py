"""The campaign as a process of its own, which outlives terminal, browser and notebook.

`python -m autoresearch_kit.campaign.detached ROOT TAG SETTINGS LIMITS` is that process. How to ask
the language model, and the key, come in on its stdin: other processes of the same user can read its
arguments and its environment. Whoever starts it takes the campaign's lock first and hands it over,
so that there is no moment at which nobody holds the campaign, or hears what is asked of it.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.errands import WEBHOOK
from autoresearch_kit.campaign.heartbeat import starting
from autoresearch_kit.errors import Cancelled, InputError, KitError, in_words
from autoresearch_kit.files import lock
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Errands, Limits, Request, Research, Settings, codec
from autoresearch_kit.records.text import visible
from autoresearch_kit.researchers import Model

logger = logging.getLogger("autoresearch")

MODULE = "autoresearch_kit.campaign.detached"

LOCK = "AUTORESEARCH_LOCK"
"""Environment variable: the descriptor of the campaign's lock, which the process was handed."""

NOT_PASSED_ON = ("MPLBACKEND", "FORCE_COLOR", "JPY_PARENT_PID", "OPENAI_API_KEY", WEBHOOK)
NOT_PASSED_ON_PREFIXES = ("CLICOLOR", "PYDEVD")
"""What a notebook's kernel sets for itself, which would lead the campaign astray; and secrets."""


@dataclass(frozen=True)
class Secret:
    """The secrets that come in on stdin."""

    research: Research
    key: str = field(repr=False)


class LineFormatter(logging.Formatter):
    """Formats a record as one line that can't steer a terminal: it may be a model's words."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the record as a line."""
        return visible(super().formatMessage(record).replace("\n", " "))


def start(
    workspace: Workspace,
    settings: Settings,
    limits: Limits,
    model: Model | None = None,
    errands: Errands | None = None,
) -> subprocess.Popen[bytes]:
    """Start the campaign as a detached process, from its own copy of the package.

    Without `errands`, those of the last start stay.

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
        if errands is not None:
            workspace.write_errands(errands)
        process = _start(workspace, settings, limits, held)
    except BaseException:
        lock.release(held)
        raise
    os.close(held)  # the process holds the campaign now
    _hand_over(process, model)
    return process


def _check_kit_copy(workspace: Workspace) -> None:
    own = workspace.kit.joinpath(*MODULE.split(".")).with_suffix(".py")
    if workspace.kit.exists() and not own.is_file():
        raise InputError(
            f"campaign '{workspace.tag}' was begun by another version of the kit, whose copy in "
            f"{workspace.kit} has no {MODULE}: go on with that version, or start another tag. "
            "What it found can be read and adopted by this version too"
        )


def _start(
    workspace: Workspace, settings: Settings, limits: Limits, held: int
) -> subprocess.Popen[bytes]:
    argv = [
        sys.executable,
        "-P",
        "-m",
        MODULE,
        str(workspace.root),
        workspace.tag,
    ]
    argv += [codec.encode(settings).decode(), codec.encode(limits).decode()]
    with workspace.log.open("ab") as log:
        return subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=workspace.root,
            env=_environment(workspace.kit) | {LOCK: str(held)},
            pass_fds=(held,),
            start_new_session=True,
        )


def _hand_over(process: subprocess.Popen[bytes], model: Model | None) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # it says itself why it died
        if model is not None:
            pipe.write(codec.compact(Secret(model.research, model.key)))


def _environment(kit: Path) -> dict[str, str]:
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in NOT_PASSED_ON and not name.startswith(NOT_PASSED_ON_PREFIXES)
    }
    return env | {"PYTHONPATH": str(kit)}


def main(root: str, tag: str, settings: str, limits: str) -> int:
    """Run the campaign to its end; a reason to stop is one line in the log, and in its state."""
    out = logging.StreamHandler()
    out.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[out])
    for own in ("autoresearch", "autoresearch_kit"):
        logging.getLogger(own).setLevel(logging.INFO)
    workspace = Workspace(Path(root), tag)
    try:
        held = _hold(workspace)
        model = _received(sys.stdin.buffer.read())
        campaign = Campaign(
            tag, codec.decode(Settings, settings), root=workspace.root, model=model, held=held
        )
        with contextlib.closing(campaign.run(codec.decode(Limits, limits))) as experiments:
            for experiment in experiments:
                logger.info("%s", experiment)
    except (KitError, OSError) as error:
        logger.error("error: %s", in_words(error))
        return 1
    return 0


def _received(data: bytes) -> Model | None:
    if not data:
        return None
    secret = codec.decode(Secret, data)
    return Model(secret.research, secret.key)


def _hold(workspace: Workspace) -> int:
    """Hold the lock that this process was handed, or take it; signals then ask it to stop.

    Raises:
        BusyError: another process holds the campaign.
        Cancelled: a signal came before this process held it.
    """

    def leave(_signal: int, _frame: object) -> None:
        raise Cancelled("stopped while waiting for the campaign's lock; nothing was changed")

    def stop(_signal: int, _frame: object) -> None:
        workspace.write_request(Request.STOP_NOW)

    handed = os.environ.pop(LOCK, None)
    if handed is None:
        _on_signals(leave)
        workspace.create()
    held = workspace.take_lock() if handed is None else int(handed)
    _on_signals(stop)
    os.set_inheritable(held, False)
    return held


def _on_signals(action: Callable[[int, FrameType | None], None]) -> None:
    signal.signal(signal.SIGTERM, action)
    signal.signal(signal.SIGINT, action)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
