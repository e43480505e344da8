"""What a campaign does after each experiment that no score depends on: copies, and notices.

It never delays the campaign and never ends it: copies and notices are made in the background, each
in a line of its own, and what fails is a line in the log.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from autoresearch_kit.campaign import notify
from autoresearch_kit.campaign.background import Background
from autoresearch_kit.campaign.backup import check_folder, copy_campaign
from autoresearch_kit.errors import ErrandError, InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Errands, Experiment

logger = logging.getLogger(__name__)

WEBHOOK = "AUTORESEARCH_WEBHOOK"
"""Environment variable: an address, for those who don't want it among the command's arguments."""

COPY_PATIENCE, NOTICE_PATIENCE = 60.0, 10.0
"""Seconds that the end of a campaign waits for the last copy and the last notice."""


def settle_errands(
    workspace: Workspace, copy_to: str | None = None, webhook: str | None = None
) -> Errands:
    """What the campaign does from now on: as wished, else as it did; an empty text ends it.

    Raises:
        InputError: the folder is not there, or the address is none.
    """
    was = workspace.errands()
    if copy_to:
        copy_to = str(check_folder(Path(copy_to)))
    if webhook:
        webhook = notify.check_webhook(webhook)
    return Errands(
        was.copy_to if copy_to is None else copy_to, was.webhook if webhook is None else webhook
    )


class ErrandRunner:
    """Runs the errands of one campaign, as they are written down when their time comes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._copies = Background("copying", room=1)
        self._notices = Background("notices", room=10)
        self._experiments: tuple[Experiment, ...] = ()
        self._said = ""

    def stand_in(self, trouble: str) -> None:
        """The model can't be asked, and why: optuna proposes in its place."""
        self._tell(self._errands(), notify.stand_in(self._workspace.tag, trouble))

    def after(self, experiments: Sequence[Experiment]) -> None:
        """The last of these experiments is in git."""
        self._experiments = tuple(experiments)
        errands = self._errands()
        if notice := notify.plateau(experiments):
            self._tell(errands, notice)
        if errands.copy_to and not self._copies.do(lambda: self._copy(Path(errands.copy_to))):
            # one that waits will copy what is there when its turn comes
            self._say(f"the copy to {errands.copy_to} takes long; is its disk there?")

    def ended(self) -> None:
        """The campaign process is about to end: tell, and wait a little for what is under way."""
        state = self._workspace.state()
        if state is not None:
            self._tell(self._errands(), notify.ending(state, self._experiments))
        if not self._notices.finish(NOTICE_PATIENCE):
            logger.warning("the last notice was not taken within %.0f s", NOTICE_PATIENCE)
        if not self._copies.finish(COPY_PATIENCE):
            logger.warning(
                "the last copy was not done within %.0f s; the next start goes on with it",
                COPY_PATIENCE,
            )

    def _errands(self) -> Errands:
        try:
            return self._workspace.errands()
        except (InputError, OSError) as error:
            logger.warning("errands.json can't be read, so nothing is copied or sent: %s", error)
            return Errands()

    def _tell(self, errands: Errands, notice: str) -> None:
        logger.info("notice: %s", notice)
        if errands.webhook:
            self._notices.do(lambda: self._post(errands.webhook, notice))

    def _post(self, webhook: str, notice: str) -> None:
        try:
            notify.post(webhook, notice)
        except ErrandError as error:
            tag = self._workspace.tag
            logger.warning(
                "%s; look at its address: autoresearch errands %s --webhook URL", error, tag
            )

    def _copy(self, folder: Path) -> None:
        try:
            copy_campaign(self._workspace, folder)
        except ErrandError as error:
            self._say(f"{error}; it is tried again after the next experiment")
        else:
            self._say(f"copied to {folder}, as after each experiment from now on")

    def _say(self, words: str) -> None:
        """Say it in the log, unless that is the last that was said."""
        if words != self._said:
            logger.info("%s", words)
        self._said = words
