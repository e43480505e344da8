"""A campaign in a few numbers, from git and from its folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_kit import ledger
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Noise, Request, Stage, State, Usage
from autoresearch_kit.reports.spent import Spent
from autoresearch_kit.reports.summary import ExtraRuns, summarise
from autoresearch_kit.researchers.spending import Meter, per


@dataclass(frozen=True)
class Status:
    """`request` is the last thing asked of it, `usage` what a language model took, with what is
    in flight; `damaged` are files of its folder that can't be read.

    `baseline` and `best` are means of all scores that their code has by now.
    `spent` says where the wall-clock went, pauses left out.
    """

    tag: str
    running: bool
    state: State | None
    request: Request | None
    experiments: int
    kept: int
    crashed: int
    baseline: float | None
    best: float | None
    spent: Spent
    disk_kb_per_experiment: float
    usage: Usage
    damaged: Sequence[str] = ()
    baseline_error: float | None = None
    best_error: float | None = None
    noise: Noise | None = None
    extra: ExtraRuns = field(default_factory=ExtraRuns)
    warning: str = ""
    disturbed: int = 0

    def cost(self) -> str:
        """What the language model took, for people; empty if none was asked."""
        if not self.usage.requests:
            return ""
        words = f"{self.usage}, {per(self.usage, self.experiments)} an experiment"
        return f"{words}, {per(self.usage, self.kept)} an improvement" if self.kept else words

    def words(self, now: float) -> str:
        """What it is doing, for people; `now` in seconds since the epoch."""
        said = words(self.state, self.running, self.request, now)
        if self.damaged:
            files = "; ".join(self.damaged)
            return f"{said}; {files}; set aside with the next: autoresearch run {self.tag}"
        if self.state is not None and dead(self.state, self.running):
            return f"{said}; go on with: autoresearch {self.state.command} {self.tag}"
        return said


def words(state: State | None, running: bool, request: Request | None, now: float) -> str:
    """What a campaign in this state is doing, for people; `now` in seconds since the epoch."""
    if state is None:
        return "running" if running else "not run here"
    if running:
        seen = f"seen {max(0.0, now - state.heartbeat):.0f} s ago"  # a clock may be set back
        which = f" ({state.message})" if state.message else ""
        return f"{state.stage}, experiment {state.number}{which}{to_come(state, request)}, {seen}"
    if dead(state, running):
        return f"died while {state.stage}"
    return f"{state.stage}: {state.message}"


def to_come(state: State, request: Request | None) -> str:
    """What a running campaign was asked and has not done yet, as the end of a phrase."""
    match request:
        case Request.STOP:
            return ", stops after it"
        case Request.STOP_NOW:
            return ", stops now"
        case Request.PAUSE if state.stage is not Stage.PAUSED:
            return ", pauses after it"
    return ""


def dead(state: State | None, running: bool) -> bool:
    """Whether its process went without a word."""
    return state is not None and not running and state.stage not in (Stage.ENDED, Stage.FAILED)


def known_campaigns(root: Path) -> list[str]:
    """The campaigns of the project at `root`: with a ledger, or with a folder on this machine."""
    folders = (path.parent.name for path in (root / ".autoresearch").glob("*/state.json"))
    return sorted({*ledger.campaigns(root), *filter(ledger.is_tag, folders)})


def known(root: Path, tag: str) -> str:
    """The tag, if there is a campaign of that name.

    Raises:
        InputError: there is none; the message names those there are.
    """
    if ledger.valid_tag(tag) not in known_campaigns(root):
        there = ", ".join(known_campaigns(root)) or "none yet"
        raise InputError(f"no campaign '{tag}' in this project; there: {there}")
    return tag


def read_status(root: Path, tag: str) -> Status:
    """The status of campaign `tag` in the project at `root`; the baseline is not counted."""
    workspace, known = Workspace(root, tag), History(root, tag)
    experiments = known.experiments()
    found = summarise(tag, experiments)
    return Status(
        tag=tag,
        running=workspace.running(),
        state=workspace.state(),
        request=workspace.request(),
        experiments=found.experiments,
        kept=found.kept,
        crashed=found.crashed,
        baseline=found.baseline,
        best=found.best,
        spent=found.spent,
        disk_kb_per_experiment=known.disk_bytes() / 1000 / max(1, len(experiments)),
        usage=Meter(workspace.usage).total(experiments),
        damaged=workspace.damaged(),
        baseline_error=found.baseline_error,
        best_error=found.best_error,
        noise=found.noise,
        extra=found.extra,
        warning=found.warning,
        disturbed=found.disturbed,
    )
