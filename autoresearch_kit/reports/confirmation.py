"""The records of a confirmation: its runs, and the results so far."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Noise, Run, codec

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
    """All runs so far, `seeds` wanted of each variant, and `believed`, the campaign's noise."""

    seeds: int
    believed: Noise
    done: tuple[Trial, ...] = ()


@dataclass(frozen=True)
class Mean:
    """The mean of `scores` scores and its standard error, in bits per byte."""

    value: float
    error: float
    scores: int

    def __str__(self) -> str:
        runs = "1 run" if self.scores == 1 else f"{self.scores} runs"
        return f"{self.value:.6f} ± {self.error:.6f} ({runs})"


@dataclass(frozen=True)
class Worth:
    """The cost of leaving a keep out, in bits per byte, and the probability that the keep helps."""

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


@dataclass(frozen=True)
class Folder:
    """The folder of a campaign's confirmation: `.autoresearch/<tag>/confirm/`."""

    workspace: Workspace

    @property
    def path(self) -> Path:
        """Return the folder's path."""
        return self.workspace.folder / "confirm"

    @property
    def runs(self) -> Path:
        """Return the folder of the run under way."""
        return self.path / "runs"

    @property
    def pruned(self) -> Path:
        """Return the path of the pruned best's notebook."""
        return self.path / "pruned.ipynb"

    def create(self) -> None:
        """Create the folder, ignored by git."""
        self.workspace.create()
        self.runs.mkdir(parents=True, exist_ok=True)

    def trials(self) -> Trials | None:
        """Return the runs so far; None before the first start."""
        return self._read("trials.json", Trials)

    def write_trials(self, trials: Trials) -> None:
        """Replace the record of the runs."""
        write_atomic(self.path / "trials.json", codec.encode(trials))

    def confirmation(self) -> Confirmation | None:
        """Return the results so far; None before the first start."""
        return self._read("confirmation.json", Confirmation)

    def write_confirmation(self, confirmation: Confirmation) -> None:
        """Replace the record of the results."""
        write_atomic(self.path / "confirmation.json", codec.encode(confirmation))

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = self.path / name
        return codec.decode(kind, path.read_bytes()) if path.exists() else None
