"""A campaign's results, from git alone: frames and figures for the notebook that shows them.

night = results("night")
night                # in a few numbers
night.progress()     # the picture
night.keeps()        # what helped, most first
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from autoresearch_kit import history
from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.history import Entry, History, tables
from autoresearch_kit.history.summary import Summary, runs, summarise
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.diff import NotebookDiff, cell_diff
from autoresearch_kit.records import Verdict
from autoresearch_kit.ui import compare as comparison
from autoresearch_kit.ui import plots
from autoresearch_kit.ui.compare import Against
from autoresearch_kit.ui.drawing import Drawing

METRICS = "metrics.jsonl"

LEAST = ["status", "reason", "val_bpb", "delta", "researcher", "category", "idea"]
"""Columns of a table that is read from left to right on a laptop."""


def campaigns(root: Path | None = None) -> list[str]:
    """The campaigns in the project's git: run here, or fetched."""
    return history.campaigns(root or history.find_root(Path.cwd()))


def results(tag: str, root: Path | None = None) -> "Results":
    """The results of campaign `tag` in the project at `root`, or of the current folder.

    Raises:
        InputError: there is none; the message names those there are.
    """
    place = root or history.find_root(Path.cwd())
    ledger = History(place, tag)
    entries = ledger.entries()
    if not entries:
        there = ", ".join(campaigns(place)) or "none yet"
        raise InputError(f"no campaign '{tag}' in this project; there: {there}")
    return Results(ledger, tuple(entries))


@dataclass(frozen=True)
class Results:
    """A campaign's experiments as they were when it was asked for them."""

    ledger: History
    entries: tuple[Entry, ...]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row per experiment, with everything: see `history.tables.to_frame`."""
        return tables.to_frame(self.entries)

    @cached_property
    def summary(self) -> Summary:
        """The campaign in a few numbers."""
        return summarise(self.ledger.tag, [entry.experiment for entry in self.entries])

    def _repr_markdown_(self) -> str:
        return self.summary._repr_markdown_()

    def progress(self) -> Drawing:
        """The picture: every experiment a mark, the running best a falling line."""
        return plots.progress(self.frame, title=self.ledger.tag)

    def keeps(self) -> pd.DataFrame:
        """What was kept after the baseline, the largest gain first."""
        kept = self.frame[self.frame["status"] == Verdict.KEEP].iloc[1:].set_index("number")
        return kept[["delta", "val_bpb", "category", "idea"]].sort_values("delta")

    def categories(self) -> pd.DataFrame:
        """How many ideas of each kind were tried, kept and crashed, and what they gained in all."""
        tried = self.frame.iloc[1:]
        kept = tried["status"] == Verdict.KEEP
        return (
            tried.assign(
                kept=kept,
                crashed=tried["status"] == Verdict.CRASH,
                gain=-tried["delta"].where(kept).fillna(0.0),
            )
            .groupby("category")
            .agg(
                tried=("number", "size"),
                kept=("kept", "sum"),
                crashed=("crashed", "sum"),
                gain=("gain", "sum"),
            )
            .sort_values(["gain", "tried"], ascending=False)
        )

    def crashes(self) -> pd.DataFrame:
        """How often experiments crashed for each reason, and the last of them in its own words."""
        crashed = self.frame[self.frame["status"] == Verdict.CRASH]
        return (
            crashed.groupby("reason")
            .agg(times=("number", "size"), last=("number", "last"), detail=("detail", "last"))
            .sort_values("times", ascending=False)
        )

    def time(self) -> pd.DataFrame:
        """Where the runs' wall-clock went, by part: seconds, and percent of all."""
        seconds: dict[str, float] = {}
        for run in runs([entry.experiment for entry in self.entries]):
            parts = {"training": run.train_seconds, "compiling": run.compile_seconds, **run.parts}
            for name, value in parts.items():
                seconds[name] = seconds.get(name, 0.0) + value
        spent = pd.Series(seconds, dtype="float64").sort_values(ascending=False)
        percent = 100 * spent / spent.sum()
        return pd.DataFrame({"seconds": spent.round(1), "percent": percent.round(1)})

    def curves(self, *numbers: int) -> Drawing:
        """The loss curves of these experiments; without any, of the baseline and the best."""
        chosen = numbers or tuple(dict.fromkeys((0, self._best.experiment.number)))
        named = {
            f"{number}: {self.entries[number].experiment.proposal.idea}": plots.read_curve(
                self._metrics(number)
            )
            for number in chosen
        }
        return plots.loss_curves(named, title=self.ledger.tag)

    def diff(self) -> NotebookDiff:
        """What the best changed, from the baseline on."""
        old, new = (
            TrainNotebook.parse(self.ledger.source(number))
            for number in (0, self._best.experiment.number)
        )
        return cell_diff(old, new)

    def table(self, **values: str) -> pd.DataFrame:
        """All experiments, or those with these values: `table(status="crash")`; newest first.

        Raises:
            InputError: there is no such column.
        """
        chosen = self.frame.set_index("number")
        for column, value in values.items():
            if column not in chosen:
                raise InputError(f"no column {column!r}; there are: {', '.join(map(str, chosen))}")
            chosen = chosen[chosen[column] == value]
        return chosen[LEAST].iloc[::-1]

    @property
    def _best(self) -> Entry:
        best = history.latest_kept(self.entries)
        if best is None:
            raise InputError(f"campaign '{self.ledger.tag}' has kept nothing, not even a baseline")
        return best

    def _metrics(self, number: int) -> bytes:
        try:
            return self.ledger.file(number, METRICS)
        except LedgerError:
            return b""  # its notebook logged nothing, or it never ran


def compare(*groups: "Results | Iterable[Results]", against: str = Against.EXPERIMENTS) -> Drawing:
    """The best so far of campaigns, each below its own baseline; a list of them are repeats.

    `against` is experiments, hours or usd.

    Raises:
        InputError: `against` is none of these.
    """
    if against not in list(Against):
        raise InputError(f"can't compare against {against!r}; choose one of: {', '.join(Against)}")
    named = {}
    for group in groups:
        members = [group] if isinstance(group, Results) else list(group)
        named[", ".join(one.ledger.tag for one in members)] = [one.frame for one in members]
    return comparison.compare(named, Against(against))
