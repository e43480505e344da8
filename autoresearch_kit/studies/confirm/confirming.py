"""Runs a confirmation: each run is written down when it is over, and the next start goes on."""

import hashlib
from collections.abc import Collection, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from autoresearch_kit.campaign.context import Ground, find_ground
from autoresearch_kit.campaign.heartbeat import Pulse
from autoresearch_kit.campaign.measuring import run_and_score
from autoresearch_kit.campaign.quiet import patience, wait_until_quiet
from autoresearch_kit.campaign.standby import Standby
from autoresearch_kit.campaign.trying import KIT_FAILURES
from autoresearch_kit.errors import Cancelled, InputError, KitError
from autoresearch_kit.execution import launch
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Command, Limits, Noise, Reason, Run, Stage
from autoresearch_kit.reports.confirmation import Confirmation, Folder, Trial, Trials
from autoresearch_kit.studies.confirm.judging import Standing, Todo, at_most, pruned_runs, stand
from autoresearch_kit.studies.confirm.plan import make_plan
from autoresearch_kit.studies.confirm.summing import sum_up
from autoresearch_kit.verdicts import noise
from autoresearch_kit.verdicts.validity import usual_elsewhere, why_invalid

SEEDS = 3
"""How often each variant is run, if nothing else was said."""

LEFT = "confirming was left; the next `confirm` goes on"


@dataclass(frozen=True)
class Forecast:
    """What there is to run: `left` at the least, up to `more` more for what stays unclear."""

    keeps: int
    done: int
    left: int
    more: int
    seconds: float
    """Of a run: the mean so far."""


@dataclass(frozen=True)
class Progress:
    """A run that is over, and where the confirmation stands then."""

    todo: Todo
    trial: Trial
    standing: Standing


class Confirming:
    """The confirmation of campaign `tag` in the project at `root`; making one runs nothing.

    `seeds` is how often each variant is run: as at the last start, or `SEEDS`, if None.

    Raises:
        InputError: nothing was kept, or `seeds` is not at least 2.
    """

    def __init__(self, root: Path, tag: str, seeds: int | None = None) -> None:
        if seeds is not None and seeds < 2:
            raise InputError(f"--seeds is {seeds}; it must be at least 2, or no spread is seen")
        self.workspace = Workspace(root, tag)
        self.folder = Folder(self.workspace)
        self._history = History(root, tag)
        self.experiments = self._history.experiments()
        self.plan = make_plan(self._history, self.experiments)
        self._seeds = seeds

    def standing(self) -> Standing:
        """Where it stands by what is written down."""
        return stand(self.plan, self._trials(accelerator=False))

    def forecast(self) -> Forecast:
        """What is to be run from here on, and how long a run takes."""
        standing = self.standing()
        done = [trial.run for trial in standing.trials.done]
        runs = [run for experiment in self.experiments for run in experiment.all_runs]
        walls = [run.wall_seconds for run in [*runs, *done] if run.score]
        return Forecast(
            keeps=len(self.plan.keeps),
            done=len(done),
            left=len(standing.todo) + pruned_runs(standing),
            more=at_most(standing),
            seconds=fmean(walls) if walls else self.experiments[0].settings.train_seconds,
        )

    def run(self) -> Generator[Progress]:
        """Do the runs that lack, each yielded once it is written down; then write the pruned best.

        A person can pause and stop it as they can a campaign.

        Raises:
            BusyError: another process is running this campaign, or its confirmation.
            KitError: it can't go on; what was run is written down.
        """
        if not self.standing().todo:
            self._finish(self.standing())
            return
        self.workspace.create()
        with self.workspace.lock():
            was = self.workspace.state()
            pulse = Pulse(self.workspace, was.limits if was else Limits(), Command.CONFIRM)
            try:
                with closing(Standby()) as standby:
                    yield from self._runs(pulse, standby)
            except (GeneratorExit, KeyboardInterrupt):
                pulse.stage(Stage.ENDED, LEFT)
                raise
            except Cancelled:
                pulse.stage(Stage.ENDED, LEFT)
            except BaseException as error:
                pulse.stage(Stage.FAILED, str(error) or type(error).__name__)
                raise
            else:
                pulse.stage(Stage.ENDED, LEFT if self.standing().todo else "confirmed")

    def _runs(self, pulse: Pulse, standby: Standby) -> Generator[Progress]:
        ground = self._start()
        trials = self._trials(accelerator=ground.machine.accelerator)
        standing = stand(self.plan, trials)
        while standing.todo:
            if pulse.told_to_stop():
                return
            todo = standing.todo[0]
            trial = self._run(ground, pulse, standby, standing, todo)
            trials = replace(trials, done=(*trials.done, trial))
            self.folder.write_trials(trials)
            self._clear_runs(spared=standby.folders)
            standing = stand(self.plan, trials)
            self.folder.write_confirmation(sum_up(standing, self.experiments))
            yield Progress(todo, trial, standing)
        self._finish(standing)

    def _start(self) -> Ground:
        self._clear_runs()
        self.workspace.copy_kit()
        return find_ground(self.workspace, self._history, self.experiments[0].settings)

    def _clear_runs(self, spared: Collection[str] = ()) -> None:
        """Remove the folders of runs, and end whatever a process that was killed left running."""
        self.folder.create()
        for folder in sorted(self.folder.runs.iterdir()):
            if folder.name not in spared:
                launch.end_run(self.workspace.run_id(folder))
                remove_tree(folder)

    def _finish(self, standing: Standing) -> Confirmation:
        """Write down what was found, and the pruned best.

        Raises:
            KitError: the best crashed under each of its seeds.
        """
        best = self.plan.best
        if (crash := standing.crash(best.code)) and standing.sample(best) is None:
            raise KitError(
                f"the best itself crashed in all of its {len(standing.runs(best.code))} runs "
                f"({crash.failure}: {crash.detail}), so nothing can be held against it"
            )
        assert standing.pruned is not None
        self.folder.create()
        found = sum_up(standing, self.experiments)
        self.folder.write_confirmation(found)
        write_atomic(self.folder.pruned, standing.pruned.notebook.text().encode())
        return found

    def _trials(self, *, accelerator: bool) -> Trials:
        """The runs so far; before the first, none, and what the campaign says of the noise."""
        there = self.folder.trials()
        if there is None:
            return Trials(self._seeds or SEEDS, self._believed(accelerator))
        return replace(there, seeds=self._seeds or there.seeds)

    def _believed(self, accelerator: bool) -> Noise:
        baseline = fmean(self.experiments[0].scores)
        prior = noise.prior(baseline, accelerator=accelerator)
        return noise.pool(noise.groups_of(self.experiments), prior)

    def _run(
        self, ground: Ground, pulse: Pulse, standby: Standby, standing: Standing, todo: Todo
    ) -> Trial:
        """Run and score a variant. A run that the kit itself failed twice is a crash of it.

        Raises:
            KitError: the kit failed the best itself, or as many runs in a row as ends a campaign.
        """
        best = standing.sample(self.plan.best)
        number = (todo.variant.out or (self.plan.keeps[-1].number,))[0]
        words = f"{todo.variant}, seed {todo.at + 1}"
        tried = [(one.code, one.at) for one in standing.trials.done]
        if (todo.variant.code, todo.at) in tried:  # the machine was busy
            self._wait_until_quiet(ground, pulse)
        pulse.trying(number, f"confirm: {words}", best.mean if best else None)
        run, _ = run_and_score(
            ground,
            self.workspace,
            pulse,
            standby,
            todo.variant.notebook,
            _seed(self.workspace.tag, todo.at),
            stem=self.folder.runs / f"{todo.variant.code}-{todo.at}",
            what=words,
            words=words,
        )
        if run.failure is Reason.KIT_FAILED and (
            todo.variant.code == self.plan.best.code or self._failed(standing)
        ):
            raise KitError(f"{words} could not be run: {run.detail}")
        return self._trial(ground, standing, todo, run)

    def _failed(self, standing: Standing) -> bool:
        """Return whether the kit failed the runs right before this one, too."""
        last = standing.trials.done[1 - KIT_FAILURES :]
        return len(last) == KIT_FAILURES - 1 and all(
            one.run.failure is Reason.KIT_FAILED for one in last
        )

    def _trial(self, ground: Ground, standing: Standing, todo: Todo, run: Run) -> Trial:
        code = todo.variant.code
        why = why_invalid(run, standing.runs(code), ground.settings, self._usual)
        return Trial(code, todo.at, run, why)

    @property
    def _usual(self) -> float:
        return usual_elsewhere(self.experiments[0].runs)

    def _wait_until_quiet(self, ground: Ground, pulse: Pulse) -> None:
        seconds = patience(ground.settings.train_seconds)
        wait_until_quiet(
            pulse, ground.settings, ground.machine.gpu, usual=self._usual, seconds=seconds
        )


def _seed(tag: str, at: int) -> int:
    """The same for all variants, and none that the campaign has used."""
    return int.from_bytes(hashlib.sha256(f"{tag}/confirm/{at}".encode()).digest()[:4])
