"""Fingerprints of scores: the data, the machine and the clock that scores depend on."""

from dataclasses import dataclass
from enum import StrEnum


class Clock(StrEnum):
    """The clock of a training budget: wall-clock seconds, or CPU seconds over the threads."""

    WALL = "wall"
    CPU = "cpu"


@dataclass(frozen=True)
class DatasetInfo:
    """A prepared data set, as its `dataset.json` says. `context` is T, in tokens.

    `eval_rows` rows of T targets are scored per shard. The digests are short hex. `xz_bpb` is what
    xz -9e makes of the scored val text, in bits per byte. Of the training text's tokens, `cropped`
    is the share that is in no row, `continued` that cut off from what comes before. `hidden` are
    files on this machine that hold val or audit text, which a sandbox must cover. `restored`: it
    was made on another machine, and what it was made from need not be here.
    """

    name: str
    vocab_size: int
    context: int
    eval_rows: int
    train_tokens: int
    val_tokens: int
    audit_tokens: int
    train_bytes: int
    val_bytes: int
    audit_bytes: int
    corpus: str
    tokenizer: str
    packing: str
    xz_bpb: float
    cropped: float = 0.0
    continued: float = 0.0
    hidden: tuple[str, ...] = ()
    restored: bool = False

    @property
    def digest(self) -> str:
        """Return a digest of the text, its tokens and its rows."""
        return f"{self.corpus}-{self.tokenizer}-{self.packing}"


@dataclass(frozen=True)
class LeakPlace:
    """A folder that a run can read, and the share of the scored bytes that its files hold."""

    folder: str
    share: float


@dataclass(frozen=True)
class Leak:
    """Scored text (val and audit) that stands verbatim in files that a run can read.

    `share` is of the scored bytes, in strings of 16 and more that the training text has not and
    that lie in a copy of some 200. `places` are the folders that hold the most, the largest first.
    `unread_mb` is what the time did not suffice for.
    """

    share: float
    places: tuple[LeakPlace, ...] = ()
    read_mb: float = 0.0
    unread_mb: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        unread = f", {self.unread_mb:,.0f} MB left unread" if self.unread_mb else ""
        return (
            f"runs can read {self.share:.3%} of it, in {self.read_mb:,.0f} MB of files that they "
            f"see{unread}"
        )

    @property
    def largest(self) -> str:
        """Return the folders that hold the most of the leaked text, in words."""
        return ", ".join(f"{place.folder} ({place.share:.3%})" for place in self.places)


@dataclass(frozen=True)
class Fingerprint:
    """Everything that must be equal for two scores to be comparable. Digests are hex, short.

    `clock` is what the training budget counted; records from before there was a choice have `wall`.
    """

    corpus: str
    tokenizer: str
    packing: str
    scoring: str
    torch: str
    device: str
    clock: Clock = Clock.WALL


@dataclass(frozen=True)
class Accelerator:
    """A GPU that torch can use: by `cuda`, with its compute capability, or by `mps`.

    `uuid` is what CUDA_VISIBLE_DEVICES names it by, empty where the user's environment decides.
    `nodes` are the device nodes through which it is reached.
    """

    backend: str
    capability: tuple[int, int]
    memory_mb: float
    uuid: str = ""
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Machine:
    """The machine, as a probe found it. `device` is what scores depend on, by model name.

    `no_gpu` is what torch warned of when it was asked for one. `no_compile` is why a small function
    could not be compiled; empty if it could, or if that was not tried.
    """

    device: str
    accelerator: bool
    precision: str
    compiles: bool
    cores: int
    memory_mb: float
    torch: str
    python: str
    system: str
    gpu: Accelerator | None = None
    no_gpu: str = ""
    no_compile: str = ""

    @property
    def kind(self) -> str:
        """Return GPU or CPU, for people."""
        return "GPU" if self.accelerator else "CPU"
