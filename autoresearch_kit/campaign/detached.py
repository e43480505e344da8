"""The campaign's process: `python -m autoresearch_kit.campaign.detached ROOT TAG SETTINGS LIMITS`.

`start.py` starts it and hands it the campaign's lock. How to ask the language model, and the key,
come in on stdin: other processes of the same user can read its arguments and its environment.
"""

import logging
import os
import signal
import sys
from contextlib import closing
from pathlib import Path

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.errors import KitError, in_words
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Limits, Request, Settings, codec
from autoresearch_kit.records.text import visible
from autoresearch_kit.reports.experiment import experiment_line
from autoresearch_kit.researchers import Model

logger = logging.getLogger("autoresearch")

MODULE = "autoresearch_kit.campaign.detached"

LOCK = "AUTORESEARCH_LOCK"
"""Environment variable: the descriptor of the campaign's lock, which the process was handed."""


class LineFormatter(logging.Formatter):
    """Formats a record as one line that can't steer a terminal: it may be a model's words."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the record as a line."""
        return visible(super().formatMessage(record).replace("\n", " "))


def main(root: str, tag: str, settings: str, limits: str) -> int:
    """Run the campaign to its end; a reason to stop is one line in the log, and in its state."""
    out = logging.StreamHandler()
    out.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[out])
    for own in ("autoresearch", "autoresearch_kit"):
        logging.getLogger(own).setLevel(logging.INFO)
    workspace = Workspace(Path(root), tag)
    held = _take_over_lock(workspace)
    try:
        campaign = Campaign(
            tag,
            codec.decode(Settings, settings),
            root=workspace.root,
            model=codec.decode(Model, data) if (data := sys.stdin.buffer.read()) else None,
            held=held,
        )
        with closing(campaign.run(codec.decode(Limits, limits))) as experiments:
            for experiment in experiments:
                logger.info("%s", experiment_line(experiment, None))
    except (KitError, OSError) as error:
        logger.error("error: %s", in_words(error))
        return 1
    return 0


def _take_over_lock(workspace: Workspace) -> int:
    """Return the lock that this process was handed; from here on, a signal asks it to stop."""

    def stop(_signal: int, _frame: object) -> None:
        workspace.write_request(Request.STOP_NOW)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    held = int(os.environ.pop(LOCK))
    os.set_inheritable(held, False)  # no run may hold the campaign after this process is gone
    return held


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
