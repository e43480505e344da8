"""Carry out a confirmation: each finished run is written down, so that a restart goes on."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.measuring import completed
from autoresearch_kit.campaign.orders import carry_out, drive, order, seed_of
from autoresearch_kit.campaign.pools import open_pool
from autoresearch_kit.campaign.quiet import wait_until_quiet
from autoresearch_kit.campaign.recording import KIT_FAILURES
from autoresearch_kit.errors import Cancelled, InputError, KitError
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.pool import Pool
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Command, Limits, Noise, Reason, Run, Stage
from autoresearch_kit.reports.confirmation import Folder, Trial, Trials
from autoresearch_kit.studies.confirm.judging import Standing, Todo, standing_of
from autoresearch_kit.studies.confirm.plan import make_plan
from autoresearch_kit.studies.confirm.results import sum_up
from autoresearch_kit.verdicts import noise
from autoresearch_kit.verdicts.validity import usual_elsewhere, why_invalid

SEEDS = 3  # runs of each variant, unless another number is given

LEFT = "confirming was interrupted; the same command goes on"


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
        self._usual = usual_elsewhere(self.experiments[0].runs)

    def standing(self) -> Standing:
        """Return the state by the runs written down."""
        return standing_of(self.plan, self._trials())

    def run_seconds(self) -> float:
        """Return the mean duration of the runs so far, the campaign's own among them."""
        runs = [run for experiment in self.experiments for run in experiment.all_runs]
        runs += [trial.run for trial in self._trials().done]
        walls = [run.wall_seconds for run in runs if run.score]
        return fmean(walls) if walls else self.experiments[0].settings.train_seconds

    def run(self) -> Generator[Standing]:
        """Carry out the missing runs, then write the pruned best.

        Yields the state after each run, once it is written down. Can be paused and stopped like a
        campaign.

        Raises:
            BusyError: another process is running this campaign, or its confirmation.
            KitError: it can't go on; what was run is written down.
        """
        self.workspace.create()
        self.folder.runs.mkdir(parents=True, exist_ok=True)
        if not self.standing().todo:
            self._finish(self.standing())
            return
        with self.workspace.lock():
            was = self.workspace.state()
            heartbeat = Heartbeat(self.workspace, was.limits if was else Limits(), Command.CONFIRM)
            try:
                yield from self._carry_out(heartbeat)
            except Cancelled:
                heartbeat.stage(Stage.ENDED, LEFT)
            except (GeneratorExit, KeyboardInterrupt):
                heartbeat.stage(Stage.ENDED, LEFT)
                raise
            except BaseException as error:
                heartbeat.stage(Stage.FAILED, str(error) or type(error).__name__)
                raise
            else:
                heartbeat.stage(Stage.ENDED, LEFT if self.standing().todo else "confirmed")

    def _carry_out(self, heartbeat: Heartbeat) -> Generator[Standing]:
        self._resume()
        # on the cluster, if any, that the campaign was last started with
        settings = self.workspace.settings() or self.experiments[0].settings
        runs = self.folder.runs
        given = self.workspace, self._history, settings, runs, heartbeat.cancelled
        context, pool = open_pool(*given)
        with closing(pool):
            standing = standing_of(self.plan, self._trials(accelerator=context.machine.accelerator))
            while standing.todo:
                heartbeat.wait_while_paused()
                if heartbeat.stop_requested():
                    return
                todo = standing.todo[0]
                self._announce(todo, standing, context, heartbeat, pool)
                key, seed = f"{todo.variant.code}-{todo.at}", self._seed(todo.at)
                wanted = order(context, key, todo.variant.notebook, seed, str(todo))
                delivery = drive(carry_out(wanted), pool, heartbeat)
                run = completed(delivery.run, settings.task, todo.variant.nodes)
                trial = self._trial(todo, run, standing, context)
                trials = replace(standing.trials, done=(*standing.trials.done, trial))
                self.folder.write(trials)
                remove_tree(delivery.folder)
                standing = standing_of(self.plan, trials)
                self.folder.write(sum_up(standing, self.experiments))
                yield standing
        self._finish(standing)

    def _resume(self) -> None:
        """End what a killed process left running, and remove the folders of its runs."""
        for folder in sorted(self.folder.runs.iterdir()):
            launch.end_run(self.workspace.run_id(folder))
            remove_tree(folder)
        self.workspace.copy_kit()

    def _announce(
        self, todo: Todo, standing: Standing, context: Context, heartbeat: Heartbeat, pool: Pool
    ) -> None:
        """Say which run comes; wait for a quiet machine first if its last try was disturbed."""
        tried = {(trial.code, trial.at) for trial in standing.trials.done}
        if (todo.variant.code, todo.at) in tried:
            quiet = wait_until_quiet(heartbeat, context.settings, context.devices, self._usual)
            drive(quiet, pool, heartbeat)
        number = (todo.variant.out or (self.plan.keeps[-1].number,))[0]
        heartbeat.trying(number, f"confirm: {todo}")

    def _trial(self, todo: Todo, run: Run, standing: Standing, context: Context) -> Trial:
        """Return a run as it is written down.

        A variant whose run the kit itself failed counts as a crash, unless other runs failed too.

        Raises:
            KitError: the kit failed a run of the best, or as many runs in a row as end a campaign.
        """
        code, last = todo.variant.code, [each.run for each in standing.trials.done]
        in_a_row = [*last, run][-KIT_FAILURES:]
        machine_failed = len(in_a_row) == KIT_FAILURES and all(
            each.failure is Reason.KIT_FAILED for each in in_a_row
        )
        if run.failure is Reason.KIT_FAILED and (code == self.plan.best.code or machine_failed):
            raise KitError(f"{todo} could not be run: {run.detail}")
        why = why_invalid(run, standing.runs(code), context.settings, self._usual)
        return Trial(code, todo.at, run, why)

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
        self.folder.write(sum_up(standing, self.experiments))
        write_atomic(self.folder.pruned, standing.pruned.notebook.text().encode())

    def _trials(self, *, accelerator: bool = False) -> Trials:
        """Return the runs so far, or none with the campaign's noise before the first start."""
        written = self.folder.read(Trials)
        if written is None:
            written = Trials(SEEDS, self._believed(accelerator))
        metric = self.experiments[0].settings.task.objective
        return replace(written, seeds=self._seeds or written.seeds, metric=metric)

    def _believed(self, accelerator: bool) -> Noise:
        first = self.experiments[0]
        metric = first.settings.task.objective
        known = noise.measured(
            metric,
            first.scores,
            noise.groups_of(self.experiments),
            accelerator=accelerator,
            others=noise.all_scores(self.experiments, metric),
        )
        if known is None:
            raise InputError(
                f"campaign '{self.workspace.tag}' ran its baseline once, so that nothing tells the "
                f"noise of {first.metric}; begin a new one with --seeds 3, from this one's best"
            )
        return known

    def _seed(self, at: int) -> int:
        """Return the seed number `at`: the same for all variants, and new to the campaign."""
        return seed_of(f"{self.workspace.tag}/confirm/{at}")
