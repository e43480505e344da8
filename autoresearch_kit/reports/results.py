"""A campaign's results, from git alone or from a results.tsv: tables and figures for a notebook.

night = results("night")
night                # in a few numbers
night.progress()     # the picture
night.keeps()        # what helped, the largest gain first
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from autoresearch_kit import ledger
from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.execution import handover
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook.changes import NotebookDiff, source_diff
from autoresearch_kit.records import LANGUAGE_MODELLING, Metric
from autoresearch_kit.records.text import markdown_table
from autoresearch_kit.reports import result_tables, tables
from autoresearch_kit.reports.confirmation import Confirmation, Folder
from autoresearch_kit.reports.device_time import slot_times
from autoresearch_kit.reports.figures import front, gains, loss_curves, progress
from autoresearch_kit.reports.figures.drawing import Drawing, Missing
from autoresearch_kit.reports.figures.table import Table
from autoresearch_kit.reports.figures.x_axis import LACKING, Against, in_order, x_of
from autoresearch_kit.reports.status import no_campaign
from autoresearch_kit.reports.summary import Summary, summary_of
from autoresearch_kit.reports.summary_words import summary_rows
from autoresearch_kit.verdicts.audit import audited_metric


def campaigns(root: Path | None = None) -> list[str]:
    """Return the campaigns in the project's git: run here, or fetched."""
    return ledger.campaigns(root or ledger.find_root(Path.cwd()))


def results(tag: str, root: Path | None = None) -> "Results":
    """Return the results of campaign `tag` in the project at `root`, or of the current folder.

    A `tag` that ends in .tsv is a file such as karpathy/autoresearch's results.tsv.

    Raises:
        InputError: there is no such campaign, and the message names those there are; or the file
            is not there, or is no results.tsv.
    """
    if tables.is_log(tag):
        path = Path(tag).resolve()
        return Results(Summary("/".join(path.parts[-2:]), tables.read_tsv(path)))
    root = root or ledger.find_root(Path.cwd())
    history = History(root, tag)
    summary = summary_of(tag, history.entries())
    if not summary.table:
        raise no_campaign(tag, campaigns(root))
    return Results(summary, history)


@dataclass(frozen=True)
class Results:
    """The results of a campaign; a results.tsv has no `history`.

    Where a results.tsv does not hold what is asked for, a sentence says so.
    """

    summary: Summary
    history: History | None = None

    @property
    def name(self) -> str:
        """Return the campaign's tag, or the end of the file's path."""
        return self.summary.tag

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Return all experiments, with the columns of `tables.COLUMNS` and one for each metric.

        The column of scores has the name of the metric that decides.
        """
        return tables.named(self._frame, self.summary.metric)

    @cached_property
    def _frame(self) -> pd.DataFrame:
        return tables.frame_of(self.summary.table)

    def _repr_markdown_(self) -> str:
        return markdown_table(self.name, summary_rows(self.summary))

    def progress(self, by: str = Against.EXPERIMENTS) -> Drawing:
        """Draw every experiment as a mark, and the running best as a line in its band of noise.

        `by` is the x axis: experiments, hours, device-hours or usd.

        Raises:
            InputError: `by` is none of these, or was not recorded.
        """
        axis = _axis(by)
        if x_of(in_order(self._frame), axis).isna().all():
            raise InputError(f"can't draw {self.name} by {by}: {LACKING[axis]}")
        return progress.progress(
            self._frame, self.summary.noise, metric=self.summary.metric, by=axis, title=self.name
        )

    def front(self) -> Drawing | Missing:
        """Draw the experiments by each two objectives, with the front, and bounds as lines."""
        summary = self.summary
        return front.front(self._frame, summary.task, summary.front, title=self.name)

    def progress_of_devices(self, by: str) -> Drawing | Missing:
        """Draw `progress` by hours or device-hours, if several devices ran the campaign."""
        if self.history is None:
            return Missing(f"Which devices ran {self.name} is not recorded.")
        if self.summary.spent.devices == 1:
            return Missing(
                f"One device ran {self.name}, so that it looks much the same by {by} as by "
                f'experiments; to see it anyway: progress("{by}")'
            )
        return self.progress(by)

    def slots(self) -> Table | Missing:
        """Return what each slot did: runs, hours, the share that was training.

        `idle_seconds` are those since the campaign's process began, where it ran on this machine.
        """
        times = slot_times(self.summary.table)
        if self.history is None or not times:
            return Missing(f"What ran where is not recorded in {self.name}.")
        state = Workspace(self.history.root, self.name).state()
        return result_tables.slots(times, state)

    def keeps(self) -> Table:
        """Return what was kept after the baseline, the largest gain first."""
        return result_tables.keeps(self.frame, self.summary.task)

    def categories(self) -> Table:
        """Return how many ideas of each kind were tried, kept and crashed, and their total gain.

        The gain is that of ideas that became the best. Disturbed experiments are left out: they
        say nothing about an idea.
        """
        return result_tables.categories(self.frame, self.summary.metric)

    def crashes(self) -> Table:
        """Return how often experiments crashed for each reason, and details of the last of them."""
        return result_tables.crashes(self.frame)

    def table(self, **values: str | float) -> Table:
        """Return all experiments, or those with these values, newest first.

        A text need only be a part of the column's, in any case: `table(idea="lr")`,
        `table(status="crash", researcher="optuna")`.

        Raises:
            InputError: there is no such column.
        """
        return result_tables.experiments(self.frame, self.summary.task, values)

    def time(self) -> Table | Missing:
        """Return where the wall-clock went, by part, without pauses: seconds, and percent."""
        if self.history is None:
            return Missing(f"Where the time went is not recorded in {self.name}.")
        seconds = pd.Series(self.summary.spent.parts, dtype="float64")
        return Table({"seconds": seconds, "percent": 100 * seconds / seconds.sum()})

    def curves(self, *numbers: int) -> Drawing | Missing:
        """Draw the loss curves of these experiments; without any, of the baseline and the best.

        Raises:
            InputError: there is no experiment of that number.
        """
        if self.history is None:
            return Missing(f"There are no loss curves in {self.name}.")
        curves, ideas = {}, {row.number: row.idea for row in self.summary.table}
        for number in numbers or sorted({0, self._best}):
            if number not in ideas:
                there = f"0 to {max(ideas)}"
                raise InputError(f"no experiment {number} in '{self.name}'; there: {there}")
            try:
                lines = self.history.file(number, handover.METRICS_FILE)
            except LedgerError:  # its notebook logged nothing, or it never ran
                lines = b""
            curves[f"{number}: {ideas[number]}"] = loss_curves.read_curve(lines)
        if not any(map(len, curves.values())):
            return Missing(f"These runs of {self.name} logged no loss: run.log(loss=...) does.")
        return loss_curves.loss_curves(curves, title=self.name)

    def diff(self) -> NotebookDiff | Missing:
        """Return what the best changed, from the baseline on."""
        if self.history is None:
            return Missing(f"There is no code in {self.name}, so no diff from baseline to best.")
        return source_diff(self.history.source(0), self.history.source(self._best))

    def audit(self) -> Drawing | Missing:
        """Draw what the keeps gained on val, against what they gained on the audit data."""
        if self.history is None:
            return Missing(f"Nothing was scored on audit data in {self.name}.")
        metric = audited_metric(self.summary.task)
        return gains.audit(self.summary.opinion, metric=metric, title=self.name)

    def confirmation(self) -> Table | Missing:
        """Return what `autoresearch confirm` says of each keep: its worth, and if it is real.

        `worth` and its standard error are in the metric's unit, `helps` is a probability.
        """
        if self.history is None:
            return Missing(f"There is no code in {self.name}, so its keeps can't be confirmed.")
        confirmed = Folder(Workspace(self.history.root, self.name)).read(Confirmation)
        command = f"autoresearch confirm {self.name}"
        if confirmed is None:
            return Missing(f"Nobody has confirmed {self.name} on this machine: {command}")
        if confirmed.number != self._best:
            return Missing(f"The best has changed since it was confirmed. Again: {command}")
        return result_tables.confirmed(confirmed.keeps)

    @property
    def _best(self) -> int:
        if self.summary.best_row is None:
            raise InputError(f"campaign '{self.name}' has kept nothing, not even a baseline")
        return self.summary.best_row.number


def compare(
    *groups: Results | Iterable[Results], against: str = Against.EXPERIMENTS
) -> Drawing | Missing:
    """Draw the gain so far of campaigns, each over its own baseline; a list holds repeats.

    `against` is experiments, hours, device-hours or usd.

    Raises:
        InputError: `against` is none of these, or the campaigns have different metrics.
    """
    axis = _axis(against)
    lists = [[group] if isinstance(group, Results) else list(group) for group in groups]
    named = [
        (", ".join(member.name for member in members), [member._frame for member in members])
        for members in lists
    ]
    return gains.compare(named, _common_metric(lists), axis)


def _common_metric(lists: Sequence[Sequence[Results]]) -> Metric:
    """Return the metric that decides in all of these; InputError if it is not the same in all."""
    metrics = {member.summary.metric: member.name for members in lists for member in members}
    if len(metrics) > 1:
        said = "; ".join(f"{name} has {metric}" for metric, name in metrics.items())
        raise InputError(f"campaigns of different metrics can't be compared: {said}")
    return next(iter(metrics), LANGUAGE_MODELLING.objective)


def _axis(name: str) -> Against:
    if name not in list(Against):
        raise InputError(f"can't draw against {name!r}; choose one of: {', '.join(Against)}")
    return Against(name)
