"""Carry out a confirmation: each finished run is written down, so that a restart goes on."""

import hashlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from autoresearch_kit.campaign.context import Context, find_context
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.orders import carry_out, drive, order
from autoresearch_kit.campaign.quiet import wait_until_quiet
from autoresearch_kit.campaign.recording import KIT_FAILURES
from autoresearch_kit.errors import Cancelled, InputError, KitError
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.local import LocalPool
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Command, Limits, Noise, Reason, Run, Stage
from autoresearch_kit.reports.confirmation import Folder, Trial, Trials
from autoresearch_kit.studies.confirm.judging import Standing, Todo, at_most, pruned_runs, stand
from autoresearch_kit.studies.confirm.plan import make_plan
from autoresearch_kit.studies.confirm.summing import sum_up
from autoresearch_kit.verdicts import noise
from autoresearch_kit.verdicts.validity import usual_elsewhere, why_invalid

SEEDS = 3
"""How often each variant is run by default."""

LEFT = "confirming was interrupted; the same command goes on"


@dataclass(frozen=True)
class Forecast:
    """The runs to expect: at least `left`, and up to `more` for keeps that stay unclear.

    `seconds` is the mean duration of a run so far.
    """

    keeps: int
    done: int
    left: int
    more: int
    seconds: float


@dataclass(frozen=True)
class Progress:
    """A finished run, and the state of the confirmation after it."""

    todo: Todo
    trial: Trial
    standing: Standing


class Confirming:
    """The confirmation of campaign `tag` in the project at `root`.

    Each variant is run `seeds` times; None means as at the last start, or `SEEDS`.

    Raises:
        InputError: nothing was kept, or `seeds` is not at least 2.
    """

    def __init__(self, root: Path, tag: str, seeds: int | None = None) -> None:
        if seeds is not None and seeds < 2:
            raise InputError(f"--seeds is {seeds}; it must be at least 2, to measure a spread")
        self.workspace = Workspace(root, tag)
        self.folder = Folder(self.workspace)
        self._history = History(root, tag)
        self.experiments = self._history.experiments()
        self.plan = make_plan(self._history, self.experiments)
        self._seeds = seeds

    def standing(self) -> Standing:
        """Return the state by the runs written down."""
        return stand(self.plan, self._trials(accelerator=False))

    def forecast(self) -> Forecast:
        """Return the runs to expect from here on."""
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
        """Carry out the missing runs, yield each once written down, then write the pruned best.

        It can be paused and stopped like a campaign.

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
            heartbeat = Heartbeat(self.workspace, was.limits if was else Limits(), Command.CONFIRM)
            try:
                yield from self._runs(heartbeat)
            except (GeneratorExit, KeyboardInterrupt):
                heartbeat.stage(Stage.ENDED, LEFT)
                raise
            except Cancelled:
                heartbeat.stage(Stage.ENDED, LEFT)
            except BaseException as error:
                heartbeat.stage(Stage.FAILED, str(error) or type(error).__name__)
                raise
            else:
                heartbeat.stage(Stage.ENDED, LEFT if self.standing().todo else "confirmed")

    def _runs(self, heartbeat: Heartbeat) -> Generator[Progress]:
        context = self._start()
        with closing(LocalPool(context.site, self.workspace, self.folder.runs)) as pool:
            yield from self._runs_on(pool, context, heartbeat)

    def _runs_on(
        self, pool: LocalPool, context: Context, heartbeat: Heartbeat
    ) -> Generator[Progress]:
        trials = self._trials(accelerator=context.machine.accelerator)
        standing = stand(self.plan, trials)
        while standing.todo:
            heartbeat.wait_while_paused()
            if heartbeat.stop_requested():
                return
            todo = standing.todo[0]
            trial, folder = self._run(context, heartbeat, pool, standing, todo)
            trials = replace(trials, done=(*trials.done, trial))
            self.folder.write_trials(trials)
            remove_tree(folder)
            standing = stand(self.plan, trials)
            self.folder.write_confirmation(sum_up(standing, self.experiments))
            yield Progress(todo, trial, standing)
        self._finish(standing)

    def _start(self) -> Context:
        self._clear_runs()
        self.workspace.copy_kit()
        return find_context(self.workspace, self._history, self.experiments[0].settings)

    def _clear_runs(self) -> None:
        """Remove the folders of runs, and end what a killed process left running in them."""
        self.folder.create()
        for folder in sorted(self.folder.runs.iterdir()):
            launch.end_run(self.workspace.run_id(folder))
            remove_tree(folder)

    def _finish(self, standing: Standing) -> None:
        """Write down the results and the pruned best.

        Raises:
            KitError: the best crashed under each of its seeds.
        """
        best = self.plan.best
        if (crash := standing.crash(best.code)) and standing.sample(best) is None:
            raise KitError(
                f"the best itself crashed in all of its {len(standing.runs(best.code))} runs "
                f"({crash.failure}: {crash.detail}), so nothing can be compared with it"
            )
        assert standing.pruned is not None
        self.folder.create()
        self.folder.write_confirmation(sum_up(standing, self.experiments))
        write_atomic(self.folder.pruned, standing.pruned.notebook.text().encode())

    def _trials(self, *, accelerator: bool) -> Trials:
        """Return the runs so far, or none with the campaign's noise before the first start."""
        there = self.folder.trials()
        if there is None:
            return Trials(self._seeds or SEEDS, self._believed(accelerator))
        return replace(there, seeds=self._seeds or there.seeds)

    def _believed(self, accelerator: bool) -> Noise:
        baseline = fmean(self.experiments[0].scores)
        prior = noise.prior(baseline, accelerator=accelerator)
        return noise.pool(noise.groups_of(self.experiments), prior)

    def _run(
        self,
        context: Context,
        heartbeat: Heartbeat,
        pool: LocalPool,
        standing: Standing,
        todo: Todo,
    ) -> tuple[Trial, Path]:
        """Run and score a variant; return the folder of its run too.

        A variant whose run the kit itself failed counts as a crash, unless other runs failed too.

        Raises:
            KitError: the kit failed a run of the best, or as many runs in a row as end a campaign.
        """
        number = (todo.variant.out or (self.plan.keeps[-1].number,))[0]
        words = f"{todo.variant}, seed {todo.at + 1}"
        tried = [(trial.code, trial.at) for trial in standing.trials.done]
        if (todo.variant.code, todo.at) in tried:  # the machine was busy
            wait_until_quiet(heartbeat, context.settings, context.machine.gpu, self._usual)
        heartbeat.trying(number, f"confirm: {words}")
        key, seed = f"{todo.variant.code}-{todo.at}", _seed(self.workspace.tag, todo.at)
        wanted = order(context, key, todo.variant.notebook, seed, words)
        delivery = drive(carry_out(wanted), pool, heartbeat)
        run = delivery.run
        if run.failure is Reason.KIT_FAILED and (
            todo.variant.code == self.plan.best.code or self._failed(standing)
        ):
            raise KitError(f"{words} could not be run: {run.detail}")
        return self._trial(context, standing, todo, run), delivery.folder

    def _failed(self, standing: Standing) -> bool:
        """Return whether the kit failed the runs right before this one, too."""
        last = standing.trials.done[1 - KIT_FAILURES :]
        return len(last) == KIT_FAILURES - 1 and all(
            trial.run.failure is Reason.KIT_FAILED for trial in last
        )

    def _trial(self, context: Context, standing: Standing, todo: Todo, run: Run) -> Trial:
        code = todo.variant.code
        why = why_invalid(run, standing.runs(code), context.settings, self._usual)
        return Trial(code, todo.at, run, why)

    @property
    def _usual(self) -> float:
        return usual_elsewhere(self.experiments[0].runs)


def _seed(tag: str, at: int) -> int:
    """Return the seed number `at`: the same for all variants, and new to the campaign."""
    return int.from_bytes(hashlib.sha256(f"{tag}/confirm/{at}".encode()).digest()[:4])
