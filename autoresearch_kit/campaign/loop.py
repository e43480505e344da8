"""The loop: propose, run, score, decide, record; and again, until a limit or a person ends it."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import autoresearch_kit
from autoresearch_kit.campaign.context import Ground, find_ground
from autoresearch_kit.campaign.errands import ErrandRunner
from autoresearch_kit.campaign.heartbeat import Pulse
from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.campaign.options import Wishes, settle
from autoresearch_kit.campaign.probing import Probing
from autoresearch_kit.campaign.proposing import Proposing
from autoresearch_kit.campaign.standby import Standby
from autoresearch_kit.campaign.trying import Bench, Tried, check_kit
from autoresearch_kit.campaign.weighing import Scales, Weighed
from autoresearch_kit.errors import Cancelled, KitError, LimitReached, in_words
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.device_queue import DeviceQueue
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History, find_root
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    Experiment,
    Limits,
    Profiled,
    Proposal,
    Settings,
    Stage,
    Verdict,
    best_of,
    profiled_before,
)
from autoresearch_kit.records.text import markdown_table
from autoresearch_kit.reports.status import words
from autoresearch_kit.reports.summary import summarise
from autoresearch_kit.researchers import Model, Surroundings, View, find_turns, view_of
from autoresearch_kit.researchers.spending import Meter
from autoresearch_kit.verdicts import retries
from autoresearch_kit.verdicts.validity import usual_elsewhere

NO_LIMITS = Limits()

SCORED = (Verdict.KEEP, Verdict.DISCARD)
"""Verdicts on a score."""


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
        """Try experiments, one after the other, each yielded once git has it.

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
        if self._model:
            self._model.check()
        ground = self._start()
        prices = self._model.research.prices if self._model else None
        meter = Meter(self.workspace.usage, limits, prices)
        device = DeviceQueue()
        probing = Probing(ground, self.workspace, device)
        around = Surroundings(
            self.history,
            self.workspace,
            self.settings,
            ground.machine,
            ground.info,
            probing.probe,
            probing.made_for,
        )
        turns = find_turns(around, meter, self._model, self._errands.stand_in)
        with closing(turns), closing(Standby()) as standby, closing(probing):
            parts = _Parts(
                Measuring(ground, self.workspace, pulse, standby, device=device),
                Proposing(turns, self.workspace, self.history),
                probing,
                meter,
                limits,
            )
            experiments = self.history.experiments()
            before = len(experiments)
            while (why := self._why_over(experiments, pulse, limits)) is None:
                experiment = self._experiment(parts, experiments)
                experiments.append(experiment)
                pulse.best(_best_score(experiments))
                self._errands.after(experiments)
                yield experiment
                check_kit(experiments[before:])
            return why

    def _experiment(self, parts: "_Parts", experiments: Sequence[Experiment]) -> Experiment:
        started, pulse = _now(), parts.measuring.pulse
        usual = usual_elsewhere(experiments[0].runs if experiments else ())
        measuring = replace(parts.measuring, usual=usual)
        pulse.stage(Stage.PROPOSING)
        proposal = self._propose(parts, experiments)
        pulse.trying(proposal.number, proposal.idea, _best_score(experiments))
        self._prepare_next(parts, experiments, proposal)
        if proposal.retry_of is not None and not self.workspace.measured():
            measuring.wait_until_quiet(retries.in_a_row(experiments))
        tried = self._try(parts, measuring, experiments, proposal)
        weighed = Scales(measuring, self.history, experiments).weigh(tried)
        profiled = self._profile(parts, experiments, tried, weighed)
        pulse.stage(Stage.RECORDING)
        experiment = self._describe(parts, tried, weighed, profiled, started)
        self._record(measuring, experiment, tried.notebook, weighed)
        return experiment

    def _start(self) -> Ground:
        self.history.check()
        self.history.repair()
        self._clear_leftovers()
        self.workspace.copy_kit()
        ground = find_ground(self.workspace, self.history, self.settings)
        self.workspace.write_settings(self.settings)
        return ground

    def _clear_leftovers(self) -> None:
        """End whatever a process that was killed left running, then remove its folders.

        Those of runs that were over stay, if their experiment is not in git yet.
        """
        probes = self.workspace.probe_runs.glob("*")
        for folder in sorted([*self.workspace.runs.iterdir(), *probes]):
            launch.end_run(self.workspace.run_id(folder))
        self.workspace.set_damaged_aside()
        number = self.history.next_number()
        over = {one.folder for one in self.workspace.measured() if one.number == number}
        if not over:
            self.workspace.forget_measured()
        self.workspace.clear_leftovers(spared=over)

    def _why_over(
        self, experiments: Sequence[Experiment], pulse: Pulse, limits: Limits
    ) -> str | None:
        """Why nothing more is tried, as people read it; None while something is."""
        self.workspace.set_damaged_aside()
        done = retries.ideas(one.proposal for one in experiments)
        over = limits.experiments is not None and done > limits.experiments
        if over and retries.due(experiments) is None:
            return "done"
        if limits.hours is not None and pulse.seconds > limits.hours * 3600:
            return f"its {limits.hours:g} hours are over"
        return "stopped, as asked; the next start goes on" if pulse.told_to_stop() else None

    def _propose(self, parts: "_Parts", experiments: Sequence[Experiment]) -> Proposal:
        """The proposal written down before, if it was not recorded yet; else what is to be tried
        again, else a new one."""
        pending = self.workspace.pending()
        if pending is not None and pending.number == len(experiments):
            return pending
        if (again := retries.due(experiments)) is not None:
            self.workspace.write_pending(again)
            return again
        view = self._view(experiments)
        proposal = (
            _baseline(parts.measuring.ground)
            if view is None
            else parts.proposing.propose(view, parts.measuring.pulse.cancelled)
        )
        self.workspace.write_pending(proposal)
        self.workspace.clear_ahead()
        return proposal

    def _prepare_next(
        self, parts: "_Parts", experiments: Sequence[Experiment], running: Proposal
    ) -> None:
        """While this one runs, have the one after it made, if it may still be tried."""
        most = parts.limits.experiments
        done = retries.ideas([*(one.proposal for one in experiments), running])
        if most is None or done <= most:
            view = self._view(experiments, running)
            if view is not None:
                parts.proposing.prepare(view)

    def _try(
        self,
        parts: "_Parts",
        measuring: Measuring,
        experiments: Sequence[Experiment],
        proposal: Proposal,
    ) -> Tried:
        def repair(crashed: Proposal) -> Proposal | None:
            view = self._view(experiments)
            if view is None:
                return None
            return parts.proposing.repair(view, crashed, measuring.pulse.cancelled)

        return Bench(measuring, self.history).try_out(proposal, repair)

    def _profile(
        self,
        parts: "_Parts",
        experiments: Sequence[Experiment],
        tried: Tried,
        weighed: Weighed,
    ) -> Profiled | None:
        """Profile what is kept, once for each structure, if there is a model to read it."""
        known = profiled_before(experiments, tried.notebook.structure())
        if self._model is None or weighed.decision.verdict is not Verdict.KEEP or known:
            return None
        pulse = parts.measuring.pulse
        pulse.stage(Stage.RECORDING, "profiling its steps")
        return parts.probing.profile(tried.proposal.number, tried.notebook, pulse.cancelled)

    def _view(
        self, experiments: Sequence[Experiment], running: Proposal | None = None
    ) -> View | None:
        return view_of(self.history, self.workspace, experiments, running)

    def _describe(
        self,
        parts: "_Parts",
        tried: Tried,
        weighed: Weighed,
        profiled: Profiled | None,
        started: str,
    ) -> Experiment:
        ground, decision, notebook = parts.measuring.ground, weighed.decision, tried.notebook
        scores = [run.score.value for run in weighed.runs if run.score]
        return Experiment(
            tag=self.tag,
            proposal=tried.proposal,
            verdict=decision.verdict,
            reason=decision.reason,
            detail=decision.detail,
            runs=weighed.runs,
            val_bpb=fmean(scores) if decision.verdict in SCORED else None,
            nodes=notebook.nodes(),
            constants=notebook.constants(),
            structure=notebook.structure(),
            fingerprint=ground.fingerprint,
            leak=ground.leak,
            settings=self.settings,
            kit_version=autoresearch_kit.__version__,
            started=started,
            finished=_now(),
            usage=parts.meter.spent_on(tried.proposal.number),
            noise=weighed.noise,
            reruns=weighed.reruns,
            set_aside=weighed.set_aside,
            probes=parts.probing.made_for(tried.proposal.number),
            profiled=profiled,
            gain=decision.gain,
        )

    def _record(
        self,
        measuring: Measuring,
        experiment: Experiment,
        notebook: TrainNotebook,
        weighed: Weighed,
    ) -> None:
        """Give the experiment to git; from then on it exists. A baseline must have a score.

        Raises:
            KitError: the baseline crashed, or the machine disturbed it, so there is nothing to hold
                experiments against.
        """
        if experiment.number == 0 and experiment.verdict is Verdict.DISTURBED:
            self.workspace.drop_measured(weighed.disturbed_folders)
            raise KitError(
                f"the baseline can't be measured here: {experiment.detail}. Run again when the "
                f"machine is quiet; or have every run judged, whatever else the machine does: "
                f"autoresearch run {self.tag} --max-elsewhere 1"
            )
        if experiment.number == 0 and not experiment.kept:
            executed = measuring.executed(weighed.own[-1].counts)
            self.workspace.forget_measured()
            raise KitError(
                f"the baseline crashed ({experiment.reason}: {experiment.detail}); mend "
                f"notebooks/train.ipynb and run again. Its output: {executed}"
            )
        files = measuring.files(weighed.named()) if weighed.own else {}
        self.history.append(experiment, notebook.text(), files)
        self.workspace.forget_measured()
        self.workspace.clear_runs(spared=measuring.standby.folders)


@dataclass(frozen=True)
class _Parts:
    """What the loop works with."""

    measuring: Measuring
    proposing: Proposing
    probing: Probing
    meter: Meter
    limits: Limits


def _baseline(ground: Ground) -> Proposal:
    return Proposal(
        number=0,
        parent=None,
        researcher="baseline",
        idea="baseline",
        hypothesis="the notebook as the campaign found it, with the machine's profile",
        constants=ground.baseline.constants(),
    )


def _best_score(experiments: Sequence[Experiment]) -> float | None:
    best = best_of(experiments)
    return best.val_bpb if best else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
