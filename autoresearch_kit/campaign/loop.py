"""The main job: propose, run until decided, decide, record; until a limit or a person ends it."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.campaign import recording
from autoresearch_kit.campaign.errands import ErrandRunner
from autoresearch_kit.campaign.experiment import Decider, Outcome
from autoresearch_kit.campaign.heartbeat import Pulse
from autoresearch_kit.campaign.options import Wishes, settle
from autoresearch_kit.campaign.parts import Parts, ready
from autoresearch_kit.errors import Cancelled, LimitReached, in_words
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History, find_root
from autoresearch_kit.records import (
    Experiment,
    Limits,
    Proposal,
    Settings,
    Stage,
    best_of,
)
from autoresearch_kit.records.text import markdown_table
from autoresearch_kit.reports.status import words
from autoresearch_kit.reports.summary import summarise
from autoresearch_kit.researchers import Model
from autoresearch_kit.verdicts import retries

NO_LIMITS = Limits()


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
        self.settings = settings or settle(self.root, tag, Wishes())
        self.history = History(self.root, tag)
        self.workspace = Workspace(self.root, tag)
        self._model = model
        self._held = held
        self._errands = ErrandRunner(self.workspace)

    def _repr_markdown_(self) -> str:
        state, running = self.workspace.state(), self.workspace.running()
        stands = ("stands", words(state, running, self.workspace.request(), time.time()))
        summary = summarise(self.tag, self.history.experiments())
        return markdown_table(self.tag, [stands, *summary.rows()])

    def run(self, limits: Limits = NO_LIMITS) -> Generator[Experiment]:
        """Try experiments, each yielded once git has it.

        Raises:
            BusyError: another process is running this campaign.
            KitError: the campaign can't start or can't go on; whatever it earned is in git.
        """
        self.workspace.create()
        with self.workspace.lock(held=self._held):
            pulse = Pulse(self.workspace, limits)
            try:
                why = yield from self._experiments(pulse, limits)
            except GeneratorExit:
                pulse.stage(Stage.ENDED, "left by its caller; the next start goes on")
                raise
            except LimitReached as reached:
                pulse.stage(Stage.ENDED, str(reached))
            except Cancelled:
                pulse.stage(Stage.ENDED, "stopped at once; the experiment under way starts again")
            except BaseException as error:
                pulse.stage(Stage.FAILED, in_words(error))
                raise
            else:
                pulse.stage(Stage.ENDED, why)
            finally:
                self._errands.ended()

    def _experiments(self, pulse: Pulse, limits: Limits) -> Generator[Experiment, None, str]:
        """Yield experiments until the campaign is over; return why it is."""
        given = (self.history, self.workspace, self.settings, self._model)
        with ready(*given, pulse, limits, self._errands.stand_in) as parts:
            experiments = self.history.experiments()
            before = len(experiments)
            loop = _Loop(parts, self.workspace, experiments)
            while (why := loop.over()) is None:
                experiment = loop.try_next()
                experiments.append(experiment)
                pulse.best(_best_score(experiments))
                self._errands.after(experiments)
                yield experiment
                recording.check_kit(experiments[before:])
            return why


@dataclass(frozen=True)
class _Loop:
    """One experiment after the other; `experiments` are all that are recorded."""

    parts: Parts
    workspace: Workspace
    experiments: Sequence[Experiment]

    def over(self) -> str | None:
        """Return why nothing more is tried, for people; None while something is."""
        self.workspace.set_damaged_aside()
        limits, pulse = self.parts.limits, self.parts.pulse
        done = retries.ideas(each.proposal for each in self.experiments)
        enough = limits.experiments is not None and done > limits.experiments
        if enough and retries.due(self.experiments) is None:
            return "done"
        if limits.hours is not None and pulse.seconds > limits.hours * 3600:
            return f"its {limits.hours:g} hours are over"
        return "stopped, as asked; the next start goes on" if pulse.told_to_stop() else None

    def try_next(self) -> Experiment:
        """Propose, run until decided, decide, record; return the experiment that git now has."""
        started, parts = recording.now(), self.parts
        parts.pulse.stage(Stage.PROPOSING)
        proposal = self._propose()
        parts.pulse.trying(proposal.number, proposal.idea, _best_score(self.experiments))
        self._prepare_next(proposal)
        decider = parts.decider(self.experiments)
        if proposal.retry_of is not None and not self.workspace.measured():
            decider.measuring.wait_until_quiet(retries.in_a_row(self.experiments))
        outcome = self._decide(decider, proposal)
        profiled = parts.profile(outcome, self.experiments)
        parts.pulse.stage(Stage.RECORDING)
        number = proposal.number
        experiment = recording.describe(
            decider.measuring,
            outcome,
            started=started,
            usage=parts.meter.spent_on(number),
            probes=parts.probing.made_for(number),
            profiled=profiled,
        )
        recording.record(decider.measuring, parts.history, experiment, outcome)
        return experiment

    def _propose(self) -> Proposal:
        """Return the proposal that was written down and not recorded, a retry, or a new one."""
        pending = self.workspace.pending()
        if pending is not None and pending.number == len(self.experiments):
            return pending
        if (again := retries.due(self.experiments)) is not None:
            self.workspace.write_pending(again)
            return again
        view = self.parts.view(self.experiments)
        if view is None:
            proposal = self.parts.baseline()
        else:
            proposal = self.parts.proposing.propose(view, self.parts.pulse.cancelled)
        self.workspace.write_pending(proposal)
        self.workspace.clear_ahead()
        return proposal

    def _prepare_next(self, running: Proposal) -> None:
        """While this proposal runs, have the next one made, if it may still be tried."""
        most = self.parts.limits.experiments
        done = retries.ideas([*(each.proposal for each in self.experiments), running])
        view = self.parts.view(self.experiments, running)
        if view is not None and (most is None or done <= most):
            self.parts.proposing.prepare(view)

    def _decide(self, decider: Decider, proposal: Proposal) -> Outcome:
        """Run the idea until it is decided; a bug is repaired first, where somebody can."""
        first = decider.first_run(proposal)
        while first.bug is not None and (repaired := self._repair(first.bug)) is not None:
            self.workspace.write_pending(repaired)
            self.parts.pulse.mended(repaired.idea)
            first = decider.first_run(repaired)
        return decider.decide(first)

    def _repair(self, crashed: Proposal) -> Proposal | None:
        """Return the proposal with the bug of its last attempt repaired; None if nobody can."""
        pulse, view = self.parts.pulse, self.parts.view(self.experiments)
        pulse.mending(crashed.attempts[-1].run.detail)
        if view is None:
            return None
        return self.parts.proposing.repair(view, crashed, pulse.cancelled)


def _best_score(experiments: Sequence[Experiment]) -> float | None:
    best = best_of(experiments)
    return best.val_bpb if best else None
