"""A campaign: its folder, its lock, its state while it runs, and the loop."""

import time
from collections.abc import Generator
from pathlib import Path

from autoresearch_kit.campaign import loop
from autoresearch_kit.campaign.background import CopiesAndNotices
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.parts import open_parts
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import Cancelled, LimitReached, in_words
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History, find_root
from autoresearch_kit.records import NO_LIMITS, Experiment, Limits, Settings, Stage
from autoresearch_kit.records.text import markdown_table
from autoresearch_kit.reports.status import words
from autoresearch_kit.reports.summary import summarise
from autoresearch_kit.reports.summary_words import summary_rows
from autoresearch_kit.researchers import Model


class Campaign:
    """The loop over experiments under `tag`, in the project at `root` or of the current folder.

    Making one runs nothing. `run()` is a generator of experiments that goes on where the campaign
    was, however its last process ended; `settings` are what it was started with, or the defaults;
    `model` is the language model that proposes, if one does. `held` is the descriptor of the
    campaign's lock, where this process has it already.

        for experiment in Campaign("night").run(Limits(experiments=12)):
            print(experiment.proposal.idea, experiment.verdict)
    """

    def __init__(
        self,
        tag: str,
        settings: Settings | None = None,
        *,
        root: Path | None = None,
        model: Model | None = None,
        held: int | None = None,
    ) -> None:
        self.root = root or find_root(Path.cwd())
        self.tag = tag
        self.settings = settings or settle(self.root, tag, Options())
        self.history = History(self.root, tag)
        self.workspace = Workspace(self.root, tag)
        self._model = model
        self._held = held
        self._copies_and_notices = CopiesAndNotices(self.workspace)

    def _repr_markdown_(self) -> str:
        state, running = self.workspace.state(), self.workspace.running()
        stands = ("stands", words(state, running, self.workspace.request(), time.time()))
        summary = summarise(self.tag, self.history.experiments())
        return markdown_table(self.tag, [stands, *summary_rows(summary)])

    def run(self, limits: Limits = NO_LIMITS) -> Generator[Experiment]:
        """Try experiments, each yielded once git has it.

        Raises:
            BusyError: another process is running this campaign.
            KitError: the campaign can't start or can't go on; whatever it earned is in git.
        """
        self.workspace.create()
        with self.workspace.lock(held=self._held):
            heartbeat = Heartbeat(self.workspace, limits)
            history = History(self.root, self.tag, writer=True)
            given = history, self.workspace, self.settings, self._model, heartbeat, limits
            try:
                with open_parts(*given, self._copies_and_notices.fallback_used) as parts:
                    why = yield from loop.run(parts, self._copies_and_notices)
            except GeneratorExit:
                heartbeat.stage(Stage.ENDED, "left by its caller; the next start goes on")
                raise
            except LimitReached as reached:
                heartbeat.stage(Stage.ENDED, str(reached))
            except Cancelled:
                heartbeat.stage(Stage.ENDED, "stopped at once; what was under way starts again")
            except BaseException as error:
                heartbeat.stage(Stage.FAILED, in_words(error))
                raise
            else:
                heartbeat.stage(Stage.ENDED, why)
            finally:
                self._copies_and_notices.campaign_ended()
