"""What a campaign writes down: frozen dataclasses and closed sets, standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

Constant = bool | int | float | str
"""The value of a CAPITAL constant of the `config` cell."""


class Verdict(StrEnum):
    """How an experiment ended."""

    KEEP = "keep"
    DISCARD = "discard"
    CRASH = "crash"


class Reason(StrEnum):
    """Why it ended so. The first two are keeps, the next two discards, all others crashes."""

    BASELINE = "baseline"
    BETTER = "better"
    SIMPLER = "simpler"
    WORSE = "worse"
    NO_GAIN = "no gain"
    INVALID_EDIT = "invalid edit"
    ERROR = "error"
    EXITED = "exited"
    DIVERGED = "diverged"
    DEADLINE = "deadline"
    OVER_BUDGET = "over budget"
    OUT_OF_MEMORY = "out of memory"
    NO_SUBMISSION = "no submission"
    UNPICKLABLE = "unpicklable"
    BAD_SUBMISSION = "bad submission"
    NOT_FINITE = "not finite"
    NOT_CAUSAL = "not causal"
    KIT_FAILED = "kit failed"


class SandboxLevel(StrEnum):
    """What stands between unreviewed code and the machine."""

    BUBBLEWRAP = "bubblewrap"
    NONE = "none"


class EditAction(StrEnum):
    """What a cell edit does."""

    REPLACE = "replace"
    INSERT = "insert"
    DELETE = "delete"


@dataclass(frozen=True)
class CellEdit:
    """One edit of one editable cell. Delete needs no `source`; only insert needs `after`."""

    action: EditAction
    cell: str
    source: str = ""
    after: str = ""


@dataclass(frozen=True)
class Usage:
    """What requests to an endpoint took, by its own figures; `cached` tokens are among `tokens_in`.

    `usd` is None where the prices are not known.
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    seconds: float = 0.0
    usd: float | None = None

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.tokens_in + self.tokens_out

    def __str__(self) -> str:
        usd = "" if self.usd is None else f", {self.usd:.2f} USD"
        requests = "1 request" if self.requests == 1 else f"{self.requests:,} requests"
        return f"{requests}, {self.tokens_in:,} tokens in, {self.tokens_out:,} out{usd}"

    def __add__(self, other: "Usage") -> "Usage":
        known = [usd for usd in (self.usd, other.usd) if usd is not None]
        return Usage(
            self.requests + other.requests,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.tokens_cached + other.tokens_cached,
            self.seconds + other.seconds,
            sum(known) if known else None,
        )


@dataclass(frozen=True)
class Proposal:
    """What a researcher wants tried: cell edits first, then constants set in `config`.

    `parent` is the number of the experiment whose notebook is edited; the baseline has none.
    `directive` digests the program.md, and `guidance` is what the human had said, when it was made;
    `model` names the language model, `lessons` are what it had learnt, where it was asked.
    `attempts` are the runs of this idea that crashed on a bug which was then repaired. `failure`
    says why nothing came of the idea: then there is nothing to run.
    """

    number: int
    parent: int | None
    researcher: str
    idea: str
    hypothesis: str
    category: str = ""
    edits: tuple[CellEdit, ...] = ()
    constants: Mapping[str, Constant] = field(default_factory=dict)
    directive: str = ""
    guidance: str = ""
    model: str = ""
    lessons: str = ""
    attempts: tuple["Attempt", ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Score:
    """What the judge measured. `value` is bits per byte: nats / (bytes * ln 2), lower is better.

    `causality_gap` is the mean change of loss, in nats per token, at positions before a cut when
    everything after the cut is replaced; an honest model stays near 0.
    """

    metric: str
    value: float
    nats: float
    bytes: int
    tokens: int
    causality_gap: float
    seconds: float


@dataclass(frozen=True)
class Run:
    """One headless execution of the notebook. Either `score` is there, or `failure` says why not.

    `train_seconds` is measured from outside, first editable cell to submission, compilation (as
    claimed by the notebook, capped) taken out. `parts` are the seconds of everything else, by name.
    """

    seed: int
    score: Score | None
    failure: Reason | None
    detail: str
    train_seconds: float
    compile_seconds: float
    wall_seconds: float
    steps: int
    tokens: int
    peak_memory_mb: float
    sandbox: SandboxLevel
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Attempt:
    """A run that crashed on a bug, and was repaired: what was run, and what it said.

    `traceback` came out of unreviewed code.
    """

    edits: tuple[CellEdit, ...]
    constants: Mapping[str, Constant]
    run: Run
    traceback: str


@dataclass(frozen=True)
class DatasetInfo:
    """A prepared data set, as its `dataset.json` says. `context` is T, in tokens.

    `eval_rows` rows of T targets are scored per shard. The digests are short hex. `xz_bpb` is what
    xz -9e makes of the scored val text, in bits per byte. `hidden` are files on this machine that
    hold val or audit text, which a sandbox must cover.
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
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fingerprint:
    """What must be the same for two scores to be comparable. Digests are hex, short."""

    corpus: str
    tokenizer: str
    packing: str
    scoring: str
    torch: str
    device: str


@dataclass(frozen=True)
class RunSpec:
    """All that one run needs to know. Seconds, megabytes, absolute paths.

    `folder` is this run's own; the notebook sees and writes only its `work/`. `kit` is the
    folder that holds the copy of the package which runner, kernel and judge import.
    """

    run_id: str
    folder: Path
    notebook: Path
    dataset: Path
    kit: Path
    compile_cache: Path
    seed: int
    train_seconds: float
    wall_seconds: float
    compile_seconds: float
    memory_mb: float
    sandbox: SandboxLevel


@dataclass(frozen=True)
class Settings:
    """What a campaign was started with; fixed for its life. Times in seconds, memory in MB."""

    dataset: str
    train_seconds: float
    wall_seconds: float
    compile_seconds: float
    memory_mb: float
    researcher: str
    profile: str


class EditProtocol(StrEnum):
    """How a language model says its edits: by function calls, or by fenced blocks in its text."""

    AUTO = "auto"
    TOOLS = "tools"
    BLOCKS = "blocks"


@dataclass(frozen=True)
class Prices:
    """US dollars per million tokens."""

    input: float
    output: float
    cached: float


@dataclass(frozen=True)
class Research:
    """How the language model is asked; it may change from one start of a campaign to the next.

    An empty `base_url` is OpenAI's. `prompt_tokens` bounds the prompt of a proposal. Every
    `optuna_every`th turn is optuna's, none if 0; with `fallback`, so are those in which the
    endpoint is down.
    """

    model: str
    base_url: str = ""
    protocol: EditProtocol = EditProtocol.AUTO
    prompt_tokens: int = 24_000
    optuna_every: int = 5
    fallback: bool = True
    prices: Prices | None = None


@dataclass(frozen=True)
class Experiment:
    """One idea, tried: the record that git keeps as `record.json`.

    `val_bpb` is the mean over the scored runs, None for a crash. `nodes` counts the syntax-tree
    nodes of the editable cells; `constants` are the values in `config`; `structure` digests the
    editable cells with those values left out.
    """

    tag: str
    proposal: Proposal
    verdict: Verdict
    reason: Reason
    detail: str
    runs: tuple[Run, ...]
    val_bpb: float | None
    nodes: int
    constants: Mapping[str, Constant]
    structure: str
    fingerprint: Fingerprint
    settings: Settings
    kit_version: str
    started: str
    finished: str
    usage: Usage = field(default_factory=Usage)

    @property
    def number(self) -> int:
        """Its number in the campaign; the baseline is 0."""
        return self.proposal.number

    @property
    def kept(self) -> bool:
        """Whether later experiments may build on it."""
        return self.verdict is Verdict.KEEP


@dataclass(frozen=True)
class Machine:
    """What a probe of this machine found. `device` is what scores depend on, by model name."""

    device: str
    accelerator: bool
    precision: str
    compiles: bool
    cores: int
    memory_mb: float
    torch: str
    python: str
    system: str


class Stage(StrEnum):
    """What a campaign is doing."""

    STARTING = "starting"
    PROPOSING = "proposing"
    RUNNING = "running"
    RECORDING = "recording"
    PAUSED = "paused"
    ENDED = "ended"
    FAILED = "failed"


class Request(StrEnum):
    """What a person may ask of a running campaign."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    STOP_NOW = "stop now"


@dataclass(frozen=True)
class Limits:
    """When a campaign ends by itself. All are counted over its life, but hours from each start.

    Experiments are those after the baseline; tokens and US dollars are with those of proposals
    that are still being made.
    """

    experiments: int | None = None
    hours: float | None = None
    tokens: int | None = None
    usd: float | None = None


@dataclass(frozen=True)
class State:
    """A campaign's own word on itself, for whoever watches. Times are seconds since the epoch."""

    tag: str
    pid: int
    stage: Stage
    message: str
    number: int
    idea: str
    run_folder: str
    best: float | None
    limits: Limits
    started: float
    heartbeat: float
