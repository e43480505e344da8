"""The main job: propose, run until decided, decide, record; until a limit or a person ends it.

An experiment under way is a generator that wants runs and is sent what came of them, so that the
loop is the same for several devices. Today's pool has one, and a campaign one pending proposal.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from autoresearch_kit.campaign import recording
from autoresearch_kit.campaign.errands import ErrandRunner
from autoresearch_kit.campaign.experiment import Decider, Outcome
from autoresearch_kit.campaign.measuring import Steps, submit, wait_for
from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.execution.pool import Delivery
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Experiment, Proposal, Stage, best_of
from autoresearch_kit.verdicts import retries


def run(parts: Parts, errands: ErrandRunner) -> Generator[Experiment, None, str]:
    """Yield experiments, each once git has it; return why the campaign is over.

    Raises:
        Cancelled: a person asked to stop at once.
        KitError: the campaign can't go on; whatever it earned is in git.
    """
    loop = _Loop(parts, parts.measuring.workspace, parts.history.experiments())
    before = len(loop.experiments)
    while True:
        # what is decided without a run is recorded before anything else is proposed
        while parts.pool.free() and not loop.decided:
            if (why := loop.why_over()) is None:
                loop.begin(loop.propose())
            elif loop.in_flight:
                break
            else:
                return why
        for experiment in loop.advance():
            parts.heartbeat.best(_best_score(loop.experiments))
            errands.after(loop.experiments)
            yield experiment
            recording.check_kit_works(loop.experiments[before:])


@dataclass
class _Begun:
    """An experiment that is under way: its proposal, and the steps that lead to its outcome."""

    proposal: Proposal
    started: str
    decider: Decider
    steps: Steps[Outcome]
    outcome: Outcome | None = None


@dataclass
class _Loop:
    """The loop's state: `experiments` are recorded; `in_flight` by the key of their run; `decided`
    wait to be recorded."""

    parts: Parts
    workspace: Workspace
    experiments: list[Experiment]
    in_flight: dict[str, _Begun] = field(default_factory=dict)
    decided: list[_Begun] = field(default_factory=list)

    def why_over(self) -> str | None:
        """Return why nothing more is tried, for people; None while something is.

        Waits here while the campaign is paused.
        """
        self.workspace.set_damaged_aside()
        limits, heartbeat = self.parts.limits, self.parts.heartbeat
        done = retries.ideas(each.proposal for each in self.experiments)
        enough = limits.experiments is not None and done > limits.experiments
        if enough and retries.due(self.experiments) is None:
            return "done"
        if limits.hours is not None and heartbeat.seconds > limits.hours * 3600:
            return f"its {limits.hours:g} hours are over"
        return "stopped, as asked; the next start goes on" if heartbeat.told_to_stop() else None

    def begin(self, proposal: Proposal) -> None:
        """Begin an experiment: its first run is submitted, and the next proposal prepared."""
        parts, started = self.parts, recording.now()
        parts.heartbeat.trying(proposal.number, proposal.idea, _best_score(self.experiments))
        self._prepare_next(proposal)
        decider = parts.decider(self.experiments)
        # with a run written down, a process before this one has waited already
        if proposal.retry_of is not None and not self.workspace.measured():
            decider.measuring.wait_until_quiet(retries.in_a_row(self.experiments))
        steps = self._steps(decider, proposal)
        self._go_on(_Begun(proposal, started, decider, steps), None)

    def advance(self) -> Iterator[Experiment]:
        """Wait for runs that are over, and go on with their experiments; record what is decided."""
        parts = self.parts
        if not self.decided:
            for delivery in wait_for(parts.pool, parts.heartbeat, list(self.in_flight)):
                self._go_on(self.in_flight.pop(delivery.key), delivery)
        while self.decided:
            yield self._record(self.decided.pop(0))

    def _go_on(self, begun: _Begun, delivery: Delivery | None) -> None:
        """Submit the next run of an experiment; without one, it is decided."""
        try:
            wanted = next(begun.steps) if delivery is None else begun.steps.send(delivery)
        except StopIteration as ended:
            begun.outcome = ended.value
            self.decided.append(begun)
        else:
            self.in_flight[submit(wanted, self.parts.pool, self.parts.heartbeat)] = begun

    def _record(self, begun: _Begun) -> Experiment:
        """Give a decided experiment to git."""
        parts, outcome, measuring = self.parts, begun.outcome, begun.decider.measuring
        assert outcome is not None
        profiled = parts.profile(outcome, self.experiments)
        parts.heartbeat.stage(Stage.RECORDING)
        number = begun.proposal.number
        experiment = recording.describe(
            measuring,
            outcome,
            started=begun.started,
            usage=parts.meter.spent_on(number),
            probes=parts.probing.made_for(number),
            profiled=profiled,
        )
        spared = parts.pool.waiting_folders
        recording.record(measuring, parts.history, experiment, outcome, spared)
        self.experiments.append(experiment)
        return experiment

    def propose(self) -> Proposal:
        """Return the proposal that was written down and not recorded, a retry, or a new one."""
        self.parts.heartbeat.stage(Stage.PROPOSING)
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
            proposal = self.parts.proposing.propose(view, self.parts.heartbeat.cancelled)
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

    def _steps(self, decider: Decider, proposal: Proposal) -> Steps[Outcome]:
        """Run the idea until it is decided; a bug is repaired first, where somebody can."""
        first = yield from decider.first_run(proposal)
        while first.bug is not None and (repaired := self._repair(first.bug)) is not None:
            self.workspace.write_pending(repaired)
            self.parts.heartbeat.mended(repaired.idea)
            first = yield from decider.first_run(repaired)
        return (yield from decider.decide(first))

    def _repair(self, crashed: Proposal) -> Proposal | None:
        """Return the proposal with the bug of its last attempt repaired; None if nobody can."""
        heartbeat, view = self.parts.heartbeat, self.parts.view(self.experiments)
        heartbeat.mending(crashed.attempts[-1].run.detail)
        if view is None:
            return None
        return self.parts.proposing.repair(view, crashed, heartbeat.cancelled)


def _best_score(experiments: Sequence[Experiment]) -> float | None:
    best = best_of(experiments)
    return best.score if best else None
