"""The main job: propose, run until decided, decide, record; until a limit or a person ends it.

An experiment under way is a generator that wants runs and is sent what came of them, so that the
loop is the same for several devices: as many experiments are under way as the pool has devices, and
they finish in any order. A proposal gets its number, and is written down, before its first run.
"""

import time
from bisect import insort
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from autoresearch_kit.campaign import recording
from autoresearch_kit.campaign.errands import ErrandRunner
from autoresearch_kit.campaign.experiment import Decider, Outcome
from autoresearch_kit.campaign.orders import Steps, submit, wait_for
from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution.pool import Delivery
from autoresearch_kit.records import Experiment, Proposal, Stage
from autoresearch_kit.verdicts import retries

POLL_SECONDS = 0.1


def run(parts: Parts, errands: ErrandRunner) -> Generator[Experiment, None, str]:
    """Yield experiments, each once git has it; return why the campaign is over.

    Raises:
        Cancelled: a person asked to stop at once.
        KitError: the campaign can't go on; whatever it earned is in git.
    """
    loop = _Loop(parts, parts.history.experiments())
    done = list[Experiment]()
    while True:
        # the caller hears of what is recorded before anything else is proposed
        while any(slot.free for slot in parts.pool.slots()) and not loop.recorded:
            why = loop.why_over()
            if why is not None and not loop.in_flight:
                return why
            if why is not None or (proposal := loop.propose()) is None:
                break
            loop.begin(proposal)
        for experiment in loop.advance():
            errands.after(loop.experiments)
            yield experiment
            done.append(experiment)
            recording.check_kit_works(done)


@dataclass
class _Begun:
    """An experiment under way: its proposal, when it began, and the steps to its outcome."""

    proposal: Proposal
    started: str
    steps: Steps[Outcome]


@dataclass
class _Loop:
    """The loop's state: `experiments` are in git, by number; `in_flight` by the key of their run;
    `recorded` are in git too, and not yet given to the caller."""

    parts: Parts
    experiments: list[Experiment]
    in_flight: dict[str, _Begun] = field(default_factory=dict)
    recorded: list[Experiment] = field(default_factory=list)

    @property
    def running(self) -> list[Proposal]:
        """Return the proposals of the experiments under way, by number."""
        proposals = [begun.proposal for begun in self.in_flight.values()]
        return sorted(proposals, key=lambda proposal: proposal.number)

    def why_over(self) -> str | None:
        """Return why nothing more is tried, for people; None while something is.

        Waits here while the campaign is paused.
        """
        limits, heartbeat = self.parts.limits, self.parts.heartbeat
        self.parts.workspace.set_damaged_aside()
        done = self._ideas(self.running)  # the baseline is among them, but not in the limit
        enough = limits.experiments is not None and done > limits.experiments
        if enough and retries.due(self.experiments, self.running) is None:
            return "done"
        if limits.hours is not None and heartbeat.seconds > limits.hours * 3600:
            return f"its {limits.hours:g} hours are over"
        heartbeat.wait_while_paused()
        return "stopped, as asked; the next start goes on" if heartbeat.stop_requested() else None

    def propose(self) -> Proposal | None:
        """Return a proposal that was written down and not recorded, a retry, or a new one.

        None while the baseline is under way, on which all others build.
        """
        parts, running = self.parts, self.running
        parts.heartbeat.stage(Stage.PROPOSING)
        numbers = [proposal.number for proposal in running]
        for pending in parts.workspace.pending():
            if pending.number not in numbers:
                return pending
        view = parts.view(self.experiments, running)  # None before the baseline is recorded
        if view is None and running:
            return None
        if (proposal := retries.due(self.experiments, running)) is not None:
            parts.workspace.write_pending(proposal)
            return proposal  # a proposal that was prepared meanwhile stays for the next turn
        if view is None:
            proposal = parts.baseline()
        else:
            while (ready := parts.proposing.ready(view)) is None:
                self._wait_for_proposal()
            proposal = ready
        parts.workspace.write_pending(proposal)
        return proposal

    def begin(self, proposal: Proposal) -> None:
        """Begin an experiment: its first run is submitted, and the next proposal prepared."""
        parts, started = self.parts, recording.now()
        parts.heartbeat.trying(proposal.number, proposal.idea)
        self._prepare_next(proposal)
        decider = parts.decider(self.experiments)
        # a killed process that wrote a run of this retry down had waited before it
        if proposal.retry_of is not None and not parts.workspace.measured(proposal.number):
            decider.measuring.wait_until_quiet(retries.in_a_row(self.experiments))
        self._go_on(_Begun(proposal, started, self._steps(decider, proposal)), None)

    def advance(self) -> Iterator[Experiment]:
        """Wait for runs that are over, and go on with their experiments; yield what is recorded."""
        if not self.recorded:
            for over in wait_for(self.parts.pool, self.parts.heartbeat):
                if isinstance(over, Delivery):
                    self._go_on(self.in_flight.pop(over.key), over)
        while self.recorded:
            yield self.recorded.pop(0)

    def _go_on(self, begun: _Begun, delivery: Delivery | None) -> None:
        """Submit the next run of an experiment; without one it is decided, and recorded at once:
        whatever is decided next is compared with the best of now."""
        try:
            wanted = next(begun.steps) if delivery is None else begun.steps.send(delivery)
        except StopIteration as ended:
            experiment = recording.record(self.parts, ended.value, begun.started, self.experiments)
            insort(self.experiments, experiment, key=lambda each: each.number)
            self.recorded.append(experiment)
        else:
            self.in_flight[submit(wanted, self.parts.pool, self.parts.heartbeat)] = begun

    def _prepare_next(self, current: Proposal) -> None:
        """Have the next proposal made while `current` runs, if it may still be tried."""
        most, running = self.parts.limits.experiments, [*self.running, current]
        view = self.parts.view(self.experiments, running)
        if view is not None and (most is None or self._ideas(running) <= most):
            self.parts.proposing.prepare(view, 1)

    def _ideas(self, running: Sequence[Proposal]) -> int:
        return retries.ideas([*(each.proposal for each in self.experiments), *running])

    def _steps(self, decider: Decider, proposal: Proposal) -> Steps[Outcome]:
        """Run the idea until it is decided; a bug is repaired first, where somebody can.

        `bug_of` finds none in a proposal that was repaired as often as is allowed.
        """
        outcome = yield from decider.decide(proposal)
        while (bug := decider.bug_of(outcome)) and (repaired := self._repair(bug)):
            self.parts.workspace.write_pending(repaired)
            self.parts.heartbeat.repaired(repaired.idea)
            outcome = yield from decider.decide(repaired)
        return outcome

    def _repair(self, crashed: Proposal) -> Proposal | None:
        """Return the proposal with the bug of its last attempt repaired; None if nobody can."""
        heartbeat, view = self.parts.heartbeat, self.parts.view(self.experiments, self.running)
        heartbeat.repairing(crashed.attempts[-1].run.detail)
        if view is None:
            return None
        view = replace(view, number=crashed.number)
        repairing = self.parts.proposing.repair(view, crashed)
        while not repairing.done():
            self._wait_for_proposal()
        return repairing.result()

    def _wait_for_proposal(self) -> None:
        if self.parts.heartbeat.cancelled():
            raise Cancelled("stopped while a proposal was made")
        time.sleep(POLL_SECONDS)
