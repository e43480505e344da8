"""The main job: propose, run until decided, decide, record; until a limit or a person ends it.

As many experiments are under way as the pool has slots, and they finish in any order. A proposal
gets its number, and is written down, before its first run.
"""

import math
from bisect import insort
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from autoresearch_kit.campaign import recording
from autoresearch_kit.campaign.answers import Answers
from autoresearch_kit.campaign.background import CopiesAndNotices
from autoresearch_kit.campaign.dispatch import Dispatch, Work
from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.campaign.slot_checks import SlotChecks
from autoresearch_kit.campaign.slots import Slots
from autoresearch_kit.campaign.trying import Trying
from autoresearch_kit.campaign.view_cache import ViewCache
from autoresearch_kit.errors import Cancelled, KitError
from autoresearch_kit.records import Experiment, Proposal, Stage
from autoresearch_kit.verdicts import retries

AHEAD = 4
"""One proposal more is prepared ahead for every so many slots: a model that thinks for a quarter of
a run's time keeps them all busy."""


def run(parts: Parts, copies_and_notices: CopiesAndNotices) -> Generator[Experiment, None, str]:
    """Yield experiments, each once git has it; return why the campaign is over.

    Raises:
        Cancelled: a person asked to stop at once.
        KitError: the campaign can't go on; whatever it earned is in git.
    """
    loop = _Loop(parts, parts.history.experiments())
    done = list[Experiment]()
    while (why := loop.why_over()) is None or loop.tried:
        loop.notice_answers()
        while why is None and loop.has_room() and (proposal := loop.propose()) is not None:
            loop.begin(proposal)
            why = loop.why_over()
        for experiment in loop.advance():
            copies_and_notices.experiment_recorded(loop.experiments)
            if experiment.waits:
                copies_and_notices.approval_needed(experiment)
            yield experiment
            done.append(experiment)
            recording.check_kit_works(done)
    loop.checks.forget()
    return why


@dataclass(frozen=True)
class _Tried:
    """An experiment under way: its proposal, and when it began."""

    proposal: Proposal
    started: str


class _Loop:
    """The loop's state: `experiments` are in git, by number; `tried` are under way; `recorded` are
    in git too, and not yet given to the caller."""

    def __init__(self, parts: Parts, experiments: list[Experiment]) -> None:
        self.parts = parts
        self.experiments = experiments
        self.recorded = list[Experiment]()
        self.slots = Slots(parts.pool)
        self.slots.look()
        self.works = Dispatch(parts.pool, self.slots, parts.heartbeat, parts.workspace.runs)
        self.tried: dict[Work, _Tried] = {}
        self.trying = Trying(parts, experiments, self.slots, lambda: self.running)
        self.checks = SlotChecks(parts, experiments, self.slots, self.works)
        self.views = ViewCache(parts, self.slots)
        self.answers = Answers(parts.history)
        self.failed: KitError | None = None

    @property
    def running(self) -> list[Proposal]:
        """Return the proposals of the experiments under way, by number."""
        proposals = [tried.proposal for tried in self.tried.values()]
        return sorted(proposals, key=lambda proposal: proposal.number)

    def why_over(self) -> str | None:
        """Return why nothing more is tried, for people; None while something is.

        Raises:
            KitError: nothing more can be proposed, and nothing is under way any more.
        """
        if self.failed and not self.tried and not self.recorded:
            raise self.failed
        limits, heartbeat = self.parts.limits, self.parts.heartbeat
        # the baseline is among the ideas, but not in the limit
        enough = limits.experiments is not None and self._ideas() > limits.experiments
        if enough and retries.due(self.experiments, self.running) is None:
            return "done"
        if limits.hours is not None and heartbeat.seconds > limits.hours * 3600:
            return f"its {limits.hours:g} hours are over"
        return "stopped, as asked; the next start goes on" if heartbeat.stop_requested() else None

    def notice_answers(self) -> None:
        """Take over what people said meanwhile of keeps that wait: the best may be another."""
        if self.parts.context.settings.approve and self.answers.take_over(self.experiments):
            self.views.forget()

    def has_room(self) -> bool:
        """Return whether another experiment can begin now; new slots are checked first.

        The caller hears of what is recorded before anything else is proposed, and more runs of what
        is under way go before new ideas.
        """
        for check in self.checks.of_new():
            self._end(self.works.start(check))
        # with one slot, what waits for a quiet machine or for a repair keeps its turn
        usable = len(self.slots.usable())
        most = usable if usable == 1 else 2 * usable
        room = bool(self.slots.free()) and len(self.tried) < most
        room = room and not self.works.waiting and not self.recorded
        if room and self.parts.heartbeat.paused():
            if not self.tried:
                self.parts.heartbeat.stage(Stage.PAUSED)
            return False
        return room and self.failed is None

    def propose(self) -> Proposal | None:
        """Return a proposal that was written down and not recorded, a retry, or a new one.

        None while none is ready, and while the baseline is under way, on which all others build.
        Where nothing more can be proposed, what is under way is decided first.
        """
        try:
            return self._proposed()
        except Cancelled:
            raise
        except KitError as error:
            if not self.tried:
                raise
            self.failed = error
            return None

    def _proposed(self) -> Proposal | None:
        parts, running = self.parts, self.running
        if left := parts.workspace.under_way.pending(besides=[each.number for each in running]):
            return left[0]
        if not self.tried:
            parts.heartbeat.stage(Stage.PROPOSING)
        view = self.views.view(self.experiments, running)  # None before the baseline is recorded
        if view is None and running:
            return None
        if (proposal := retries.due(self.experiments, running)) is not None:
            pass  # what was prepared meanwhile stays for the next turn
        elif view is None:
            proposal = parts.baseline()
        else:
            proposal = parts.proposing.ready(view)
        if proposal is not None:
            parts.workspace.under_way.write_pending(proposal)
        return proposal

    def begin(self, proposal: Proposal) -> None:
        """Begin an experiment: its first run is submitted, and the next proposals prepared."""
        self.parts.heartbeat.trying(proposal.number, proposal.idea)
        work = Work(proposal.number, proposal.idea, self.trying.steps(proposal))
        self.tried[work] = _Tried(proposal, recording.now())
        self._prepare_next()
        self._end(self.works.start(work))

    def advance(self) -> Iterator[Experiment]:
        """Wait for runs that are over, and go on with their experiments; yield what is recorded."""
        if not self.recorded:
            self._end(self.works.advance())
        while self.recorded:
            yield self.recorded.pop(0)

    def _end(self, over: Iterator[Work]) -> None:
        """Record each experiment that is decided, at once: whatever is decided next is compared
        with the best of now."""
        for work in over:
            tried = self.tried.pop(work, None)
            if tried is None or work.result is None:  # the check of a slot, or stopped
                continue
            spared = self.works.spared
            experiment = recording.record(self.parts, work.result, tried.started, spared)
            insort(self.experiments, experiment, key=lambda each: each.number)
            self.recorded.append(experiment)
            if experiment.number == 0:
                self.slots.compare(experiment)

    def _prepare_next(self) -> None:
        """Have the next proposals made while experiments run, as far as they may still be tried."""
        most, view = self.parts.limits.experiments, self.views.view(self.experiments, self.running)
        if view is None:
            return
        others = max(0, len(self.slots.free()) - 1)  # one is for what begins now
        ahead = others + math.ceil(len(self.slots.usable()) / AHEAD)
        if most is not None:
            ahead = min(ahead, most + 1 - self._ideas())
        self.parts.proposing.prepare(view, ahead)

    def _ideas(self) -> int:
        """Return how many ideas were tried, or are under way."""
        return retries.ideas([*(each.proposal for each in self.experiments), *self.running])
