"""A campaign's results, from git alone or from a results.tsv: tables and figures for a notebook.

night = results("night")
night                # in a few numbers
night.progress()     # the picture
night.keeps()        # what helped, the largest gain first
"""

from collections.abc import Iterable
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
from autoresearch_kit.records import Verdict
from autoresearch_kit.reports import tables
from autoresearch_kit.reports.confirmation import Folder
from autoresearch_kit.reports.figures import audit, loss_curves, progress
from autoresearch_kit.reports.figures import compare as comparison
from autoresearch_kit.reports.figures.compare import Against, Group
from autoresearch_kit.reports.figures.drawing import Drawing, Missing
from autoresearch_kit.reports.figures.table import Table
from autoresearch_kit.reports.rows import OBJECTIVE
from autoresearch_kit.reports.summary import Summary, summary_of

SCORE = [OBJECTIVE, "error", "scores", "delta", "delta_error"]
"""Columns of a score. A table shows each error beside its number."""

SHORT = ["status", "reason", *SCORE, "speed", "researcher", "category", "sandbox", "idea"]
"""Columns of a table that fits a laptop's screen."""

CONFIRMED = ["number", "finding", "claimed", "worth", "error", "helps", "stays", "idea", "detail"]
"""Columns of the results of `autoresearch confirm`."""

NOT_RECORDED = "not recorded"
"""In place of a category or a reason that is missing."""


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
    summary = summary_of(tag, tables.read_rows(history.entries()))
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
        """Return all experiments, with the columns of `tables.COLUMNS`."""
        return tables.frame_of(self.summary.table)

    def _repr_markdown_(self) -> str:
        return self.summary._repr_markdown_()

    def progress(self) -> Drawing:
        """Draw every experiment as a mark, and the running best as a line in its band of noise."""
        return progress.progress(self.frame, self.summary.noise, title=self.name)

    def keeps(self) -> Table:
        """Return what was kept after the baseline, the largest gain first."""
        kept = self.frame[self.frame["status"] == Verdict.KEEP].iloc[1:].set_index("number")
        numbers = ["delta", "delta_error", OBJECTIVE, "error", "scores", "speed", "gpu_memory_mb"]
        return _table(kept, self._useful([*numbers, "category", "idea"])).sort_values("delta")

    def categories(self) -> Table:
        """Return how many ideas of each kind were tried, kept and crashed, and their total gain.

        Disturbed experiments are left out: they say nothing about an idea.
        """
        tried = self.frame.iloc[1:]
        tried = tried[tried["status"] != Verdict.DISTURBED]
        kept = tried["status"] == Verdict.KEEP
        tried = tried.assign(
            category=tried["category"].replace("", NOT_RECORDED),
            kept=kept,
            crashed=tried["status"] == Verdict.CRASH,
            gain=(-tried["delta"]).where(kept, 0.0),
        )
        found = tried.groupby("category").agg(
            tried=("number", "size"),
            kept=("kept", "sum"),
            crashed=("crashed", "sum"),
            gain=("gain", "sum"),
        )
        return Table(found.sort_values(["gain", "tried"], ascending=False))

    def crashes(self) -> Table:
        """Return how often experiments crashed for each reason, and details of the last of them."""
        crashed = self.frame[self.frame["status"] == Verdict.CRASH]
        crashed = crashed.assign(reason=crashed["reason"].replace("", NOT_RECORDED))
        found = crashed.groupby("reason").agg(
            times=("number", "size"),
            last=("number", "last"),
            idea=("idea", "last"),
            detail=("detail", "last"),
        )
        return _table(found.sort_values("times", ascending=False), list(found.columns))

    def table(self, **values: str | float) -> Table:
        """Return all experiments, or those with these values, newest first.

        A text need only be a part of the column's, in any case: `table(idea="lr")`,
        `table(status="crash", researcher="optuna")`.

        Raises:
            InputError: there is no such column.
        """
        chosen = self.frame.set_index("number")
        for column, value in values.items():
            if column not in chosen:
                raise InputError(f"no column {column!r}; there are: {', '.join(map(str, chosen))}")
            chosen = chosen[_matches(chosen[column], value)]
        return _table(chosen.iloc[::-1], self._useful(SHORT))

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
            curves[f"{number}: {ideas[number]}"] = self._curve(self.history, number)
        return loss_curves.loss_curves(curves, title=self.name)

    def diff(self) -> NotebookDiff | Missing:
        """Return what the best changed, from the baseline on."""
        if self.history is None:
            return Missing(f"There is no code in {self.name}, so no diff from baseline to best.")
        sources = (self.history.source(number) for number in (0, self._best))
        return cell_diff(*map(TrainNotebook.parse, sources))

    def audit(self) -> Drawing | Missing:
        """Draw what the keeps gained on val, against what they gained on the audit shard."""
        if self.history is None:
            return Missing(f"Nothing was scored on an audit shard in {self.name}.")
        return audit.audit(self.summary.opinion, title=self.name)

    def confirmation(self) -> Table | Missing:
        """Return what `autoresearch confirm` found of each keep: its worth, and if it is real.

        `worth` and its standard error are in bits per byte, `helps` is a probability.
        """
        if self.history is None:
            return Missing(f"There is no code in {self.name}, so its keeps can't be confirmed.")
        found = Folder(Workspace(self.history.root, self.name)).confirmation()
        command = f"autoresearch confirm {self.name}"
        if found is None:
            return Missing(f"Nobody has confirmed {self.name} on this machine: {command}")
        if found.number != self._best:
            return Missing(f"The best has changed since it was confirmed. Again: {command}")
        rows = [
            vars(keep) | ({**vars(keep.worth), "worth": keep.worth.value} if keep.worth else {})
            for keep in found.keeps
        ]
        return _table(pd.DataFrame(rows, columns=CONFIRMED).set_index("number"), CONFIRMED[1:])

    def _useful(self, columns: list[str]) -> list[str]:
        """Return these columns without those of errors, repeats, GPUs, sandboxes if none differ."""
        useful = {
            "error": self.frame["error"].notna().any(),
            "delta_error": self.frame["delta_error"].notna().any(),
            "scores": (self.frame["scores"] > 1).any(),
            "gpu_memory_mb": self.frame["gpu_memory_mb"].notna().any(),
            "sandbox": self.frame["weaker"].any(),
        }
        return [name for name in columns if useful.get(name, True)]

    @property
    def _best(self) -> int:
        best = self.summary.best_row
        if best is None:
            raise InputError(f"campaign '{self.name}' has kept nothing, not even a baseline")
        return best.number

    def _curve(self, history: History, number: int) -> pd.DataFrame:
        try:
            return loss_curves.read_curve(history.file(number, handover.METRICS_FILE))
        except LedgerError:
            return loss_curves.read_curve(b"")  # its notebook logged nothing, or it never ran


def compare(
    *groups: Results | Iterable[Results], against: str = Against.EXPERIMENTS
) -> Drawing | Missing:
    """Draw the best so far of campaigns, each below its own baseline; a list holds repeats.

    `against` is experiments, hours or usd.

    Raises:
        InputError: `against` is none of these.
    """
    if against not in list(Against):
        raise InputError(f"can't compare against {against!r}; choose one of: {', '.join(Against)}")
    lists = [[group] if isinstance(group, Results) else list(group) for group in groups]
    named = [
        Group(", ".join(member.name for member in members), [member.frame for member in members])
        for members in lists
    ]
    return comparison.compare(named, Against(against))


def _table(frame: pd.DataFrame, columns: list[str]) -> Table:
    """Return these columns, without those that are empty."""
    return Table(frame[[name for name in columns if frame.empty or not (frame[name] == "").all()]])


def _matches(column: pd.Series, value: str | float) -> pd.Series:
    if isinstance(value, str) and is_string_dtype(column):
        return column.str.contains(value, case=False, regex=False)
    return column == value
