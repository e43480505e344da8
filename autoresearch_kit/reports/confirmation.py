"""What is written down of a confirmation: the runs, one by one, and what they say."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Noise, Run, codec

T = TypeVar("T")


class Finding(StrEnum):
    """What is found of a keep. `NEEDED`: later ones build on it, or leaving it out crashes."""

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
    """All runs so far: `seeds` is how many were asked for, `believed` the campaign's noise."""

    seeds: int
    believed: Noise
    done: tuple[Trial, ...] = ()


@dataclass(frozen=True)
class Mean:
    """A mean of so many scores, and its standard error, in bits per byte."""

    val_bpb: float
    error: float
    scores: int

    def __str__(self) -> str:
        runs = "1 run" if self.scores == 1 else f"{self.scores} runs"
        return f"{self.val_bpb:.6f} ± {self.error:.6f} ({runs})"


@dataclass(frozen=True)
class Worth:
    """What leaving a keep out costs, in bits per byte, and how likely it is to cost something."""

    value: float
    error: float
    helps: float


@dataclass(frozen=True)
class KeepFound:
    """A keep, held against the best without it. `claimed` is its gain when it was kept.

    `along` are later keeps that were left out with it, since they build on it; its worth is then
    that of all of them. `worth` is None where there are no scores. `stays`: it is in the pruned
    best; `runs` is how often the best without it was run.
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
    """What was found of campaign `tag`'s best, experiment `number`, so far.

    `left` runs are to come, at the least; none: this is the end. `pruned` is the best without the
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
    """Where a campaign's confirmation lies: `.autoresearch/<tag>/confirm/`."""

    workspace: Workspace

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.workspace.folder / "confirm"

    @property
    def runs(self) -> Path:
        """One folder for the run that is under way."""
        return self.path / "runs"

    @property
    def pruned(self) -> Path:
        """The best without what is not real, as a notebook."""
        return self.path / "pruned.ipynb"

    def create(self) -> None:
        """Make it, ignored by git."""
        self.workspace.create()
        self.runs.mkdir(parents=True, exist_ok=True)

    def trials(self) -> Trials | None:
        """The runs so far; None before the first start."""
        return self._read("trials.json", Trials)

    def write_trials(self, trials: Trials) -> None:
        """Replace what is written of the runs."""
        write_atomic(self.path / "trials.json", codec.encode(trials))

    def confirmation(self) -> Confirmation | None:
        """What was found so far; None before the first start."""
        return self._read("confirmation.json", Confirmation)

    def write_confirmation(self, confirmation: Confirmation) -> None:
        """Replace what is written of the findings."""
        write_atomic(self.path / "confirmation.json", codec.encode(confirmation))

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            return codec.decode(kind, (self.path / name).read_bytes())
        except FileNotFoundError:
            return None
