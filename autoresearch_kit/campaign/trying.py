"""Try an idea: run it until it is decided; a bug in it is repaired first, where somebody can."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from autoresearch_kit.campaign.experiment import Decider
from autoresearch_kit.campaign.orders import Steps, until
from autoresearch_kit.campaign.outcome import Outcome
from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.campaign.slots import Slots
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Experiment, Profiled, Proposal, Stage, profiled_before
from autoresearch_kit.researchers import View
from autoresearch_kit.verdicts import retries


@dataclass(frozen=True)
class Trying:
    """Tries ideas in a campaign with these experiments, which grow meanwhile.

    `running` returns the proposals of the experiments under way.
    """

    parts: Parts
    experiments: Sequence[Experiment]
    slots: Slots
    running: Callable[[], Sequence[Proposal]]

    def steps(self, proposal: Proposal) -> Steps[Outcome]:
        """Run the idea until it is decided; a bug is repaired first, where somebody can.

        `bug_of` finds none in a proposal that was repaired as often as is allowed.
        """
        decider = self._decider()
        # a killed process that wrote a run of this retry down had waited before it
        measured = self.parts.workspace.under_way.measured(proposal.number)
        if proposal.retry_of is not None and not measured:
            in_a_row = retries.in_a_row(self.experiments)
            yield from decider.measuring.wait_until_quiet(in_a_row)
        outcome = yield from decider.decide(proposal)
        while (bug := decider.bug_of(outcome)) and (repaired := (yield from self._repair(bug))):
            self.parts.workspace.under_way.write_pending(repaired)
            self.parts.heartbeat.repaired(repaired.idea)
            outcome = yield from decider.decide(repaired)
        return outcome

    def _decider(self) -> Decider:
        return Decider(
            self.parts.measuring(self.experiments),
            self.parts.history,
            self.experiments,
            slots=lambda: max(1, len(self.slots.usable())),
            profile=self._profile,
            carry_over=self._carry_over,
        )

    def _repair(self, crashed: Proposal) -> Steps[Proposal | None]:
        """Return the proposal with the bug of its last attempt repaired; None if nobody can."""
        bug = crashed.attempts[-1].run.detail
        self.parts.heartbeat.stage(Stage.PROPOSING, f"repairing: {bug}")
        if (view := self._view_of(crashed)) is None:
            return None
        repairing = self.parts.proposing.repair(view, crashed)
        yield from until(repairing.done)
        return repairing.result()

    def _carry_over(self, passed: Proposal) -> Future[Proposal | None] | None:
        """Ask the researcher of an idea for it on the best of now, with which it conflicts."""
        view = self._view_of(passed)
        return None if view is None else self.parts.proposing.merge(view, passed)

    def _view_of(self, proposal: Proposal) -> View | None:
        """Return what its researcher sees of the rest, to change a proposal that is under way."""
        others = [each for each in self.running() if each.number != proposal.number]
        view = self.parts.view(self.experiments, others)
        return None if view is None else replace(view, number=proposal.number)

    def _profile(self, number: int, notebook: TrainNotebook) -> Future[Profiled | None] | None:
        """Profile what is kept, once for each structure, if there is a model to read it."""
        if self.parts.model is None or profiled_before(self.experiments, notebook.structure()):
            return None
        self.parts.heartbeat.stage(Stage.RECORDING, "profiling its steps")
        return self.parts.probing.profile(number, notebook)
