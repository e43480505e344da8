"""A campaign's results, from git alone or from a results.tsv: frames and figures for a notebook.

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
from pandas.api.types import is_string_dtype

from autoresearch_kit import ledger
from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import Entry, History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.diff import NotebookDiff, cell_diff
from autoresearch_kit.records import Experiment, Noise, Verdict, latest_noise
from autoresearch_kit.reports import tables
from autoresearch_kit.reports.confirmation import Folder
from autoresearch_kit.reports.figures import compare as comparison
from autoresearch_kit.reports.figures import plots
from autoresearch_kit.reports.figures.compare import Against, Group
from autoresearch_kit.reports.figures.drawing import Drawing
from autoresearch_kit.reports.figures.missing import Missing
from autoresearch_kit.reports.figures.table import Table
from autoresearch_kit.reports.spent import spent
from autoresearch_kit.reports.summary import Summary, summarise
from autoresearch_kit.verdicts.audit import second_opinion

METRICS = "metrics.jsonl"

SCORE = ["val_bpb", "error", "scores", "delta", "delta_error"]
"""Columns of a score. A table shows each error beside its number."""

LEAST = ["status", "reason", *SCORE, "speed", "researcher", "category", "sandbox", "idea"]
"""Columns of a table that is read from left to right on a laptop."""

CONFIRMED = ["number", "finding", "claimed", "worth", "error", "helps", "stays", "idea", "detail"]
"""Columns of what `autoresearch confirm` found."""

UNTOLD = "not recorded"
"""In place of a category or a reason that nobody wrote down."""


def campaigns(root: Path | None = None) -> list[str]:
    """The campaigns in the project's git: run here, or fetched."""
    return ledger.campaigns(root or ledger.find_root(Path.cwd()))


def results(tag: str, root: Path | None = None) -> "Results":
    """The results of campaign `tag` in the project at `root`, or of the current folder.

    A `tag` that ends in .tsv is a file such as karpathy/autoresearch's results.tsv.

    Raises:
        InputError: there is no such campaign, in which case the message names those there are; or
            the file is not there, or is none such.
    """
    if tables.is_log(tag):
        path = Path(tag).resolve()
        return Results("/".join(path.parts[-2:]), tables.read_tsv(path))
    place = root or ledger.find_root(Path.cwd())
    known = History(place, tag)
    entries = known.entries()
    if not entries:
        there = ", ".join(campaigns(place)) or "none yet"
        raise InputError(f"no campaign '{tag}' in this project; there: {there}")
    return CampaignResults(tag, tables.to_frame(entries), known, tuple(entries))


@dataclass(frozen=True)
class Results:
    """What a table of experiments says, a row each; `frame` is as `history.tables` makes it."""

    name: str
    frame: pd.DataFrame

    @cached_property
    def summary(self) -> Summary:
        """The campaign in a few numbers."""
        kept = self.frame["val_bpb"].where(self.frame["status"] == Verdict.KEEP).dropna()
        tried = self.frame["status"].iloc[1:]
        return Summary(
            tag=self.name,
            experiments=len(tried),
            kept=int((tried == Verdict.KEEP).sum()),
            crashed=int((tried == Verdict.CRASH).sum()),
            disturbed=int((tried == Verdict.DISTURBED).sum()),
            baseline=float(kept.iloc[0]) if len(kept) else None,
            best=float(kept.iloc[-1]) if len(kept) else None,
            hours=None,
            usage=None,
        )

    def _repr_markdown_(self) -> str:
        return self.summary._repr_markdown_()

    @property
    def noise(self) -> Noise | None:
        """The spread between runs of the same code, as it is known by now; None if it is not."""
        return None

    def progress(self) -> Drawing:
        """The picture: every experiment a mark, the running best a line in its band of noise."""
        return plots.progress(self.frame, self.noise, title=self.name)

    def keeps(self) -> Table:
        """What was kept after the baseline, the largest gain first."""
        kept = self.frame[self.frame["status"] == Verdict.KEEP].iloc[1:].set_index("number")
        numbers = ["delta", "delta_error", "val_bpb", "error", "scores", "speed", "gpu_memory_mb"]
        columns = [*numbers, "category", "idea"]
        return _table(kept, self._told(columns)).sort_values("delta")

    def categories(self) -> Table:
        """How many ideas of each kind were tried, kept and crashed, and what they gained in all.

        What was disturbed is left out: it says nothing of an idea.
        """
        tried = self.frame.iloc[1:]
        tried = tried[tried["status"] != Verdict.DISTURBED]
        kept = tried["status"] == Verdict.KEEP
        found = (
            tried.assign(
                category=tried["category"].replace("", UNTOLD),
                kept=kept,
                crashed=tried["status"] == Verdict.CRASH,
                gain=(-tried["delta"]).where(kept, 0.0),
            )
            .groupby("category")
            .agg(
                tried=("number", "size"),
                kept=("kept", "sum"),
                crashed=("crashed", "sum"),
                gain=("gain", "sum"),
            )
        )
        return Table(found.sort_values(["gain", "tried"], ascending=False))

    def crashes(self) -> Table:
        """How often experiments crashed for each reason, and the last of them in its own words."""
        crashed = self.frame[self.frame["status"] == Verdict.CRASH]
        found = (
            crashed.assign(reason=crashed["reason"].replace("", UNTOLD))
            .groupby("reason")
            .agg(
                times=("number", "size"),
                last=("number", "last"),
                idea=("idea", "last"),
                detail=("detail", "last"),
            )
        )
        return _table(found.sort_values("times", ascending=False), list(found.columns))

    def table(self, **values: str | float) -> Table:
        """All experiments, or those with these values, newest first.

        A text need only be part of the column's, in small letters or capitals:
        `table(status="crash")`, `table(idea="lr", researcher="optuna")`.

        Raises:
            InputError: there is no such column.
        """
        chosen = self.frame.set_index("number")
        for column, value in values.items():
            if column not in chosen:
                raise InputError(f"no column {column!r}; there are: {', '.join(map(str, chosen))}")
            chosen = chosen[_matches(chosen[column], value)]
        return _table(chosen.iloc[::-1], self._told(LEAST))

    def time(self) -> Table | Missing:
        """Where the runs' wall-clock went, by part: seconds, and percent of all."""
        return Missing(f"Where the time went is not recorded in {self.name}.")

    def curves(self, *numbers: int) -> Drawing | Missing:  # noqa: ARG002
        """The loss curves of these experiments; without any, of the baseline and the best."""
        return Missing(f"There are no loss curves in {self.name}.")

    def diff(self) -> NotebookDiff | Missing:
        """What the best changed, from the baseline on."""
        return Missing(f"There is no code in {self.name}, so no diff from baseline to best.")

    def audit(self) -> Drawing | Missing:
        """The second opinion: what the keeps gained on val, against the same on the audit shard."""
        return Missing(f"Nothing was scored on an audit shard in {self.name}.")

    def _told(self, columns: list[str]) -> list[str]:
        """These columns without those of errors, repeats, GPUs, sandboxes if none differ."""
        needed = {
            "error": self.frame["error"].notna().any(),
            "delta_error": self.frame["delta_error"].notna().any(),
            "scores": (self.frame["scores"] > 1).any(),
            "gpu_memory_mb": self.frame["gpu_memory_mb"].notna().any(),
            "sandbox": tables.weaker(self.frame).any(),
        }
        return [name for name in columns if needed.get(name, True)]

    def confirmation(self) -> Table | Missing:
        """What `autoresearch confirm` found of each keep: what it is worth, and whether it is real.

        `worth` and its standard error are in bits per byte, `helps` is a probability.
        """
        return Missing(f"There is no code in {self.name}, so its keeps can't be confirmed.")


@dataclass(frozen=True)
class CampaignResults(Results):
    """A campaign's experiments as they were in git when it was asked for them."""

    ledger: History
    entries: tuple[Entry, ...]

    @cached_property
    def summary(self) -> Summary:
        """The campaign in a few numbers, with hours and costs."""
        return summarise(self.name, self._experiments)

    @property
    def noise(self) -> Noise | None:
        """The spread between runs of the same code, as it is known by now; None if it is not."""
        return latest_noise(self._experiments)

    def time(self) -> Table:
        """Where the wall-clock went, by part, pauses left out: seconds, and percent of all."""
        seconds = pd.Series(spent(self._experiments).parts, dtype="float64")
        return Table({"seconds": seconds, "percent": 100 * seconds / seconds.sum()})

    def curves(self, *numbers: int) -> Drawing:
        """The loss curves of these experiments; without any, of the baseline and the best.

        Raises:
            InputError: there is no experiment of that number.
        """
        chosen = numbers or tuple(dict.fromkeys((0, self._best.experiment.number)))
        named = {f"{n}: {self._entry(n).experiment.proposal.idea}": self._curve(n) for n in chosen}
        return plots.loss_curves(named, title=self.name)

    def diff(self) -> NotebookDiff:
        """What the best changed, from the baseline on."""
        old, new = (
            TrainNotebook.parse(self.ledger.source(number))
            for number in (0, self._best.experiment.number)
        )
        return cell_diff(old, new)

    def audit(self) -> Drawing | Missing:
        """The second opinion: what the keeps gained on val, against the same on the audit shard."""
        return plots.audit(second_opinion(self._experiments), title=self.name)

    @property
    def _experiments(self) -> list[Experiment]:
        return [entry.experiment for entry in self.entries]

    def confirmation(self) -> Table | Missing:
        """What `autoresearch confirm` found of each keep: what it is worth, and whether it is real.

        `worth` and its standard error are in bits per byte, `helps` is a probability.
        """
        found = Folder(Workspace(self.ledger.root, self.name)).confirmation()
        how = f"autoresearch confirm {self.name}"
        if found is None:
            return Missing(f"Nobody has confirmed the keeps of {self.name} on this machine: {how}")
        if found.number != self._best.experiment.number:
            return Missing(f"Another keep has come since the keeps were confirmed. Again: {how}")
        rows = [
            vars(keep) | ({**vars(keep.worth), "worth": keep.worth.value} if keep.worth else {})
            for keep in found.keeps
        ]
        return _table(pd.DataFrame(rows, columns=CONFIRMED).set_index("number"), CONFIRMED[1:])

    @property
    def _best(self) -> Entry:
        best = ledger.latest_kept(self.entries)
        if best is None:
            raise InputError(f"campaign '{self.name}' has kept nothing, not even a baseline")
        return best

    def _entry(self, number: int) -> Entry:
        if not 0 <= number < len(self.entries):
            last = len(self.entries) - 1
            raise InputError(f"no experiment {number} in '{self.name}'; there: 0 to {last}")
        return self.entries[number]

    def _curve(self, number: int) -> pd.DataFrame:
        try:
            return plots.read_curve(self.ledger.file(number, METRICS))
        except LedgerError:
            return plots.read_curve(b"")  # its notebook logged nothing, or it never ran


def compare(
    *groups: Results | Iterable[Results], against: str = Against.EXPERIMENTS
) -> Drawing | Missing:
    """The best so far of campaigns, each below its own baseline; a list of them are repeats.

    `against` is experiments, hours or usd.

    Raises:
        InputError: `against` is none of these.
    """
    if against not in list(Against):
        raise InputError(f"can't compare against {against!r}; choose one of: {', '.join(Against)}")
    lists = [[group] if isinstance(group, Results) else list(group) for group in groups]
    named = [
        Group(", ".join(one.name for one in members), [one.frame for one in members])
        for members in lists
    ]
    return comparison.compare(named, Against(against))


def _table(frame: pd.DataFrame, columns: list[str]) -> Table:
    """These columns, but for those in which nothing is told."""
    return Table(frame[[name for name in columns if frame.empty or not (frame[name] == "").all()]])


def _matches(column: pd.Series, value: str | float) -> pd.Series:
    if isinstance(value, str) and is_string_dtype(column):
        return column.str.contains(value, case=False, regex=False)
    return column == value
