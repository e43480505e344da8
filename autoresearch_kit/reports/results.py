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
from pandas.api.types import is_string_dtype

from autoresearch_kit import ledger
from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.execution import handover
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.diff import NotebookDiff, cell_diff
from autoresearch_kit.records import LANGUAGE_MODELLING, Metric, Verdict
from autoresearch_kit.reports import tables
from autoresearch_kit.reports.confirmation import Confirmation, Folder, Worth
from autoresearch_kit.reports.device_time import slot_times
from autoresearch_kit.reports.figures import audit, front, loss_curves, progress
from autoresearch_kit.reports.figures import compare as comparison
from autoresearch_kit.reports.figures.drawing import Drawing, Missing
from autoresearch_kit.reports.figures.table import Table
from autoresearch_kit.reports.figures.x_axis import LACKING, Against, in_order, x_of
from autoresearch_kit.reports.slots import idle_seconds
from autoresearch_kit.reports.summary import Summary, summary_of
from autoresearch_kit.verdicts.audit import audited_metric

DELTA = ["delta", "delta_se"]
BY_WHOM = ["speed", "researcher", "category", "sandbox", "trusted", "idea"]
"""The last columns of a table that fits a laptop's screen."""

SLOTS = ["runs", "training_hours", "busy_hours", "percent", "idle_seconds"]
"""Columns of the table of slots."""

CONFIRMED = [
    *("number", "finding", "claimed", "worth", "worth_se", "helps", "stays", "idea", "detail")
]
"""Columns of the results of `autoresearch confirm`."""

NOT_RECORDED = "not recorded"
"""Stands for a category or a reason that is missing."""


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
        there = ", ".join(campaigns(root)) or "none yet"
        raise InputError(f"no campaign '{tag}' in this project; there: {there}")
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
        return self.summary._repr_markdown_()

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
        idle = (
            {use.slot.name: idle_seconds(use, state.heartbeat) for use in state.slots}
            if state
            else {}
        )
        rows = [
            {
                "slot": each.name or "the device",
                "runs": each.runs,
                "training_hours": each.training / 3600,
                "busy_hours": each.busy / 3600,
                "percent": 100 * each.training_share,
                "idle_seconds": idle.get(each.name),
            }
            for each in times
        ]
        table = pd.DataFrame(rows).set_index("slot")
        return _table(table.astype({"idle_seconds": "float64"}), SLOTS)

    def keeps(self) -> Table:
        """Return what was kept after the baseline, the largest gain first."""
        kept = self.frame[self.frame["status"] == Verdict.KEEP].set_index("number")
        kept = kept[kept["delta"].notna()]
        kept = kept.sort_values("delta", ascending=self.summary.metric.sign > 0)
        return _table(kept, [*DELTA, *self._scores, "speed", "gpu_memory_mb", "category", "idea"])

    def categories(self) -> Table:
        """Return how many ideas of each kind were tried, kept and crashed, and their total gain.

        The gain is that of ideas that became the best. Disturbed experiments are left out: they
        say nothing about an idea.
        """
        frame = self.frame.assign(
            category=self.frame["category"].replace("", NOT_RECORDED),
            tried=self.frame["number"] > 0,
            kept=self.frame["status"] == Verdict.KEEP,
            crashed=self.frame["status"] == Verdict.CRASH,
        )
        gain = -self.summary.metric.sign * frame["delta"]
        frame["gain"] = gain.where(tables.leading(self.frame), 0.0)
        judged = frame[frame["tried"] & (frame["status"] != Verdict.DISTURBED)]
        sums = judged.groupby("category")[["tried", "kept", "crashed", "gain"]].sum()
        return Table(sums.sort_values(["gain", "tried"], ascending=False))

    def crashes(self) -> Table:
        """Return how often experiments crashed for each reason, and details of the last of them."""
        frame = in_order(self.frame)
        crashed = frame[frame["status"] == Verdict.CRASH]
        crashed = crashed.assign(reason=crashed["reason"].replace("", NOT_RECORDED))
        reasons = crashed.groupby("reason").agg(
            times=("number", "size"),
            last=("number", "last"),
            idea=("idea", "last"),
            detail=("detail", "last"),
        )
        return _table(reasons.sort_values("times", ascending=False), list(reasons.columns))

    def table(self, **values: str | float) -> Table:
        """Return all experiments, or those with these values, newest first.

        A text need only be a part of the column's, in any case: `table(idea="lr")`,
        `table(status="crash", researcher="optuna")`.

        Raises:
            InputError: there is no such column.
        """
        chosen = self.frame.set_index("number")
        for name, value in values.items():
            if name not in chosen:
                raise InputError(f"no column {name!r}; there are: {', '.join(map(str, chosen))}")
            if isinstance(value, str) and is_string_dtype(chosen[name]):
                chosen = chosen[chosen[name].str.contains(value, case=False, regex=False)]
            else:
                chosen = chosen[chosen[name] == value]
        notes = chosen["held"].map({True: ", rejected", False: ""})
        notes = notes.where(~chosen["waits"], ", waits for approval")
        chosen = chosen.assign(reason=chosen["reason"] + notes)
        verdict, others = ["status", "reason"], self._other_metrics
        return _table(chosen.iloc[::-1], [*verdict, *self._scores, *DELTA, *others, *BY_WHOM])

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
        sources = (self.history.source(number) for number in (0, self._best))
        return cell_diff(*map(TrainNotebook.parse, sources))

    def audit(self) -> Drawing | Missing:
        """Draw what the keeps gained on val, against what they gained on the audit data."""
        if self.history is None:
            return Missing(f"Nothing was scored on audit data in {self.name}.")
        metric = audited_metric(self.summary.task)
        return audit.audit(self.summary.opinion, metric=metric, title=self.name)

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
        rows = [vars(keep) | (_worth(keep.worth) if keep.worth else {}) for keep in confirmed.keeps]
        return _table(pd.DataFrame(rows, columns=CONFIRMED).set_index("number"), CONFIRMED[1:])

    @property
    def _scores(self) -> list[str]:
        name = tables.column(self.summary.metric.name)
        return [name, f"{name}_se", "scores"]

    @property
    def _other_metrics(self) -> list[str]:
        """Return the columns of the other objectives and of metrics that have a bound."""
        names = [tables.column(name) for name in self.summary.task.decisive[1:]]
        return [name for name in names if name in self.frame]

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
    return comparison.compare(named, _common_metric(lists), axis)


def _common_metric(lists: Sequence[Sequence[Results]]) -> Metric:
    """Return the metric that decides in all of these.

    Raises:
        InputError: it is not the same in all.
    """
    metrics = {member.summary.metric: member.name for members in lists for member in members}
    if len(metrics) > 1:
        said = "; ".join(f"{name} has {metric}" for metric, name in metrics.items())
        raise InputError(f"campaigns of different metrics can't be compared: {said}")
    return next(iter(metrics), LANGUAGE_MODELLING.objective)


def _worth(worth: Worth) -> dict[str, float]:
    return {"worth": worth.value, "worth_se": worth.error, "helps": worth.helps}


def _axis(name: str) -> Against:
    if name not in list(Against):
        raise InputError(f"can't draw against {name!r}; choose one of: {', '.join(Against)}")
    return Against(name)


def _table(frame: pd.DataFrame, columns: list[str]) -> Table:
    """Return these columns, without those that tell nothing; errors mark numbers to be shown."""
    errors = {name for name in columns if name.endswith("_se")}
    shown = {name.removesuffix("_se") for name in errors}
    hidden = {
        name
        for name in columns
        if len(frame) and name not in shown and (frame[name].isna() | frame[name].eq("")).all()
    }
    if "scores" in frame and not (frame["scores"] > 1).any():
        hidden.add("scores")
    if "weaker" in frame and not frame["weaker"].any():
        hidden.add("sandbox")
    if "trusted" in frame and not frame["trusted"].any():
        hidden.add("trusted")
    return Table(frame[[name for name in columns if name not in hidden]])
