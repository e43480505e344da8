"""Settings of a campaign."""

from dataclasses import dataclass, field
from enum import StrEnum

from autoresearch_kit.records.fingerprints import Clock
from autoresearch_kit.records.tasks import LANGUAGE_MODELLING, Task


class Rule(StrEnum):
    """The rule for verdicts: against the measured noise, or upstream's way, lower is kept."""

    CAREFUL = "careful"
    GREEDY = "greedy"


@dataclass(frozen=True)
class Settings:
    """Settings of a campaign; fixed for its life. Times in seconds, memory in MB.

    The baseline is run `seeds` times. A run during which more than `max_elsewhere` of the cores'
    time went to other processes is repeated instead of judged; 1 never does. `vocab_size` and
    `context`, in tokens, are what a corpus by its path is prepared with; None: 1,024 and 512.
    `gpu_memory_mb` is the most of a GPU's memory that a run may hold while it trains; None: all.
    `clock` is what `train_seconds` and `compile_seconds` count; `wall_seconds` are of wall-clock.
    `notebook` is the training notebook's path in the project. `devices` are those of this machine
    that runs may have, `pool` is where devices are: `local`, or a cluster of Ray's. These two may
    change from one start of the campaign to the next. `task` is what is trained and measured; for
    a task that is a folder, `dataset` is that folder, and `aims` digests what its task.toml asked
    for at the start. `approve`: a keep is built on only once a person has approved it.
    """

    dataset: str
    train_seconds: float
    wall_seconds: float
    compile_seconds: float
    memory_mb: float
    researcher: str
    profile: str
    rule: Rule = Rule.CAREFUL
    seeds: int = 3
    max_elsewhere: float = 0.3
    vocab_size: int | None = None
    context: int | None = None
    gpu_memory_mb: float | None = None
    clock: Clock = Clock.WALL
    notebook: str = "notebooks/train.ipynb"
    devices: str = "all"
    pool: str = "local"
    task: Task = LANGUAGE_MODELLING
    approve: bool = False
    aims: str = ""


class EditProtocol(StrEnum):
    """The form of a language model's edits: by function calls, or by fenced blocks in its text."""

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
    """Options of the language model; they may change from one start of a campaign to the next.

    An empty `base_url` is OpenAI's. `prompt_tokens` bounds the prompt of a proposal. Every
    `optuna_every`th turn is optuna's, none if 0; with `fallback`, so are those in which the
    endpoint is down. A proposal may have its draft run `probes` times before it is submitted.
    """

    model: str
    base_url: str = ""
    protocol: EditProtocol = EditProtocol.AUTO
    prompt_tokens: int = 24_000
    optuna_every: int = 5
    fallback: bool = True
    prices: Prices | None = None
    probes: int = 2


@dataclass(frozen=True)
class Limits:
    """The limits at which a campaign ends; hours count from each start, the others over its life.

    The baseline does not count as an experiment. Tokens and US dollars include those of proposals
    that are still being made.
    """

    experiments: int | None = None
    hours: float | None = None
    tokens: int | None = None
    usd: float | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Destinations:
    """Holds the folder for copies and the address for notices; an empty field asks for none.

    `copy_to` is the folder that gets a copy of the campaign. Notices are posted to `webhook`; who
    knows this address can write there, so it is shown nowhere.
    """

    copy_to: str = ""
    webhook: str = field(default="", repr=False)
