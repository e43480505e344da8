"""The main job: propose, run until decided, decide, record; until a limit or a person ends it.

As many experiments are under way as the pool has slots, and they finish in any order. A proposal
gets its number, and is written down, before its first run.
"""

import logging
import math
import time
from bisect import insort
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from autoresearch_kit.campaign import recording
from autoresearch_kit.campaign.background import CopiesAndNotices
from autoresearch_kit.campaign.dispatch import Dispatch, Work
from autoresearch_kit.campaign.experiment import Decider
from autoresearch_kit.campaign.measuring import Series
from autoresearch_kit.campaign.orders import Steps, until
from autoresearch_kit.campaign.outcome import Outcome
from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.campaign.slots import Slots, why_unlike
from autoresearch_kit.errors import Cancelled, KitError, LedgerError
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Arm,
    Experiment,
    Profiled,
    Proposal,
    Stage,
    best_of,
    latest_noise,
    profiled_before,
)
from autoresearch_kit.researchers import View
from autoresearch_kit.verdicts import noise, retries

logger = logging.getLogger(__name__)

AHEAD = 4
"""One proposal more is prepared ahead for every so many slots: a model that thinks for a quarter of
a run's time keeps them all busy."""

VIEW_SECONDS = 2.0
"""The age from which what a researcher sees is made anew: a person's guidance may have changed."""

CHECKS = 2
"""Re-runs of the best that a slot gets before it is left out as unlike the others."""


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
    loop.forget_checks()
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
        self.checks = 0
        self.answers: tuple[str, ...] = ()
        self.failed: KitError | None = None
        self.seen: View | None = None
        self.seen_about: tuple[int, set[int]] | None = None
        self.seen_at = 0.0

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
        enough = limits.experiments is not None and self._ideas(self.running) > limits.experiments
        if enough and retries.due(self.experiments, self.running) is None:
            return "done"
        if limits.hours is not None and heartbeat.seconds > limits.hours * 3600:
            return f"its {limits.hours:g} hours are over"
        return "stopped, as asked; the next start goes on" if heartbeat.stop_requested() else None

    def notice_answers(self) -> None:
        """Take over what people said meanwhile of keeps that wait: the best may be another."""
        if not self.parts.context.settings.approve:
            return
        mark = self.parts.history.answers_mark()
        if mark == self.answers:
            return
        self.answers, self.seen_about = mark, None
        try:
            answers = self.parts.history.answers()
        except LedgerError as error:
            logger.warning("answers about keeps can't be read: %s", error)
            return
        for at, experiment in enumerate(self.experiments):
            if experiment.waits and experiment.number in answers:
                answer = answers[experiment.number]
                self.experiments[at] = replace(experiment, approval=answer)
                logger.info("experiment %d was %s", experiment.number, answer)

    def has_room(self) -> bool:
        """Return whether another experiment can begin now; new slots are checked first.

        The caller hears of what is recorded before anything else is proposed, and more runs of what
        is under way go before new ideas.
        """
        self.check_slots()
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

    def check_slots(self) -> None:
        """Have new slots run the best once more; before the baseline they all may run that.

        Raises:
            KitError: all slots are left out.
        """
        for name in self.slots.unchecked():
            if name in self.works.checking:
                continue
            if (best := best_of(self.experiments)) is None:
                self.slots.accept(name)
            else:
                self.works.checking.add(name)
                check = self._check(name, best)
                self._end(self.works.start(Work(best.number, "the best, to check the slot", check)))
        self.slots.refuse_none()

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
        if left := parts.workspace.pending(besides=[each.number for each in running]):
            return left[0]
        if not self.tried:
            parts.heartbeat.stage(Stage.PROPOSING)
        view = self._view()  # None before the baseline is recorded
        if view is None and running:
            return None
        if (proposal := retries.due(self.experiments, running)) is not None:
            pass  # what was prepared meanwhile stays for the next turn
        elif view is None:
            proposal = parts.baseline()
        else:
            proposal = parts.proposing.ready(view)
        if proposal is not None:
            parts.workspace.write_pending(proposal)
        return proposal

    def begin(self, proposal: Proposal) -> None:
        """Begin an experiment: its first run is submitted, and the next proposals prepared."""
        self.parts.heartbeat.trying(proposal.number, proposal.idea)
        work = Work(proposal.number, proposal.idea, self._steps(proposal))
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

    def forget_checks(self) -> None:
        """Remove the runs by which slots were checked, and that no experiment asked for."""
        workspace = self.parts.workspace
        for number in workspace.under_way() - {each.number for each in workspace.pending()}:
            workspace.forget(number)

    def _view(self) -> View | None:
        """Return what a researcher sees now; the same again while nothing has changed.

        It takes files and git to make one, and the loop asks many times while none is ready.
        """
        about = len(self.experiments), {each.number for each in self.running}
        old, changed = time.monotonic() - self.seen_at > VIEW_SECONDS, about != self.seen_about
        # many slots have many files, and change something many times a second
        if old or (changed and len(self.slots.names) == 1):
            self.parts.workspace.set_damaged_aside()
            self.seen_at = time.monotonic()
        if old or changed:
            self.seen = self.parts.view(self.experiments, self.running)
            self.seen_about = about
        return self.seen

    def _prepare_next(self) -> None:
        """Have the next proposals made while experiments run, as far as they may still be tried."""
        most, running, view = self.parts.limits.experiments, self.running, self._view()
        if view is None:
            return
        others = max(0, len(self.slots.free()) - 1)  # one is for what begins now
        ahead = others + math.ceil(len(self.slots.usable()) / AHEAD)
        if most is not None:
            ahead = min(ahead, most + 1 - self._ideas(running))
        self.parts.proposing.prepare(view, ahead)

    def _ideas(self, running: Sequence[Proposal]) -> int:
        return retries.ideas([*(each.proposal for each in self.experiments), *running])

    def _steps(self, proposal: Proposal) -> Steps[Outcome]:
        """Run the idea until it is decided; a bug is repaired first, where somebody can.

        `bug_of` finds none in a proposal that was repaired as often as is allowed.
        """
        decider = self._decider()
        # a killed process that wrote a run of this retry down had waited before it
        if proposal.retry_of is not None and not self.parts.workspace.measured(proposal.number):
            in_a_row = retries.in_a_row(self.experiments)
            yield from decider.measuring.wait_until_quiet(in_a_row)
        outcome = yield from decider.decide(proposal)
        while (bug := decider.bug_of(outcome)) and (repaired := (yield from self._repair(bug))):
            self.parts.workspace.write_pending(repaired)
            self.parts.heartbeat.repaired(repaired.idea)
            outcome = yield from decider.decide(repaired)
        return outcome

    def _check(self, slot: str, best: Experiment) -> Steps[None]:
        """Run the best on a slot, twice if need be, and leave it out if it is unlike the others."""
        decider = self._decider()
        code = TrainNotebook.parse(self.parts.history.source(best.number))
        # each check has seeds of its own, whether or not the runs of earlier ones are in git
        first = noise.shared_reruns(self.experiments, best.number) + CHECKS * self.checks
        self.checks += 1
        known = latest_noise(self.experiments)
        others = self.slots.of_usable(noise.runs_by_code(self.experiments)[best.number])
        name, why = f"check-{slot.replace('/', '-')}", ""
        series = Series(best.number, Arm.BEST, code, best.number, name, first, slot)
        for index in range(CHECKS):
            settled = yield from decider.measuring.measure(series, index)
            why = why_unlike(settled.run, others, known.sigma if known else math.inf)
            if not why:
                break
            self.parts.workspace.set_aside(settled.chosen, why)
        self.works.checking.discard(slot)
        if why:
            self.slots.leave_out(slot, why)
        else:
            self.slots.accept(slot)

    def _decider(self) -> Decider:
        decider = self.parts.decider(self.experiments)
        return replace(
            decider,
            slots=lambda: max(1, len(self.slots.usable())),
            profile=self._profile,
            carry_over=self._carry_over,
        )

    def _repair(self, crashed: Proposal) -> Steps[Proposal | None]:
        """Return the proposal with the bug of its last attempt repaired; None if nobody can."""
        self.parts.heartbeat.repairing(crashed.attempts[-1].run.detail)
        if (view := self._view_of(crashed)) is None:
            return None
        repairing = self.parts.proposing.repair(view, crashed)
        yield from until(repairing.done)
        return repairing.result()

    def _carry_over(self, passed: Proposal) -> Future[Proposal | None] | None:
        """Ask the idea's researcher to rewrite it for the present best, with which it conflicts."""
        view = self._view_of(passed)
        return None if view is None else self.parts.proposing.merge(view, passed)

    def _view_of(self, proposal: Proposal) -> View | None:
        """Return the view from which a researcher changes a proposal that is under way."""
        others = [each for each in self.running if each.number != proposal.number]
        view = self.parts.view(self.experiments, others)
        return None if view is None else replace(view, number=proposal.number)

    def _profile(self, number: int, notebook: TrainNotebook) -> Future[Profiled | None] | None:
        """Profile what is kept, once for each structure, if there is a model to read it."""
        if self.parts.model is None or profiled_before(self.experiments, notebook.structure()):
            return None
        self.parts.heartbeat.stage(Stage.RECORDING, "profiling its steps")
        return self.parts.probing.profile(number, notebook)
