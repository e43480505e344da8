"""The records of a confirmation: its runs, and the results so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import VAL_BPB, Metric, Noise, Run, codec
from autoresearch_kit.records.text import with_error

T = TypeVar("T")


class Finding(StrEnum):
    """The result for a keep. `NEEDED`: later keeps build on it, or it crashes without.

    `GONE`: later keeps undid it.
    """

    REAL = "real"
    UNCLEAR = "unclear"
    FALSE = "false"
    NEEDED = "needed"
    GONE = "gone"


@dataclass(frozen=True)
class Trial:
    """A run of the code with this digest, under the confirmation's seed number `at`, from 0.

    `disturbed` says why it should be repeated, empty if it counts.
    """

    code: str
    at: int
    run: Run
    disturbed: str = ""


@dataclass(frozen=True)
class Trials:
    """All runs so far, `seeds` wanted of each variant, and `believed`, the campaign's noise.

    `metric` is what their scores are of: the campaign's first objective.
    """

    seeds: int
    believed: Noise
    done: tuple[Trial, ...] = ()
    metric: Metric = VAL_BPB


@dataclass(frozen=True)
class Mean:
    """The mean of `scores` scores and its standard error."""

    value: float
    error: float
    scores: int

    def __str__(self) -> str:
        runs = "1 run" if self.scores == 1 else f"{self.scores} runs"
        return f"{with_error(self.value, self.error)} ({runs})"


@dataclass(frozen=True)
class Worth:
    """The cost of leaving a keep out, above 0 where it helps, and the probability that it helps."""

    value: float
    error: float
    helps: float


@dataclass(frozen=True)
class KeepFound:
    """A keep, compared with the best without it. `claimed` is its gain when it was kept.

    `along` are later keeps that were left out with it, since they build on it; the worth is then
    that of all of them. `worth` is None where there are no scores. `runs` counts the runs without
    it. `stays` says that it is in the pruned best.
    """

    number: int
    idea: str
    claimed: float
    along: tuple[int, ...]
    runs: int
    worth: Worth | None
    finding: Finding
    detail: str
    stays: bool


@dataclass(frozen=True)
class Confirmation:
    """The results so far for experiment `number`, the best of campaign `tag`.

    At least `left` runs are to come; 0 at the end. `pruned` is the score of the best without the
    keeps that don't stay, None before the end; `prune` says whether to begin with it rather than
    with the best, and `detail` why.
    """

    tag: str
    number: int
    left: int
    noise: Noise
    baseline: Mean
    best: Mean | None
    pruned: Mean | None
    prune: bool
    detail: str
    keeps: tuple[KeepFound, ...]


class Folder:
    """The folder of a campaign's confirmation: `.autoresearch/<tag>/confirm/`.

    `runs` is the folder of the run under way, `pruned` the notebook of the pruned best.
    """

    def __init__(self, workspace: Workspace) -> None:
        path = workspace.folder / "confirm"
        self.runs = path / "runs"
        self.pruned = path / "pruned.ipynb"
        self._files: Mapping[type, Path] = {
            Trials: path / "trials.json",
            Confirmation: path / "confirmation.json",
        }

    def read(self, kind: type[T]) -> T | None:
        """Return the `Trials` or the `Confirmation` so far; None before the first start."""
        path = self._files[kind]
        return codec.decode(kind, path.read_bytes()) if path.exists() else None

    def write(self, record: Trials | Confirmation) -> None:
        """Replace the record of the runs, or of the results."""
        write_atomic(self._files[type(record)], codec.encode(record))
