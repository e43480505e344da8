"""A campaign in a few numbers, from git and from its folder."""

from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.history import History
from autoresearch_kit.history.summary import training_share
from autoresearch_kit.records import Stage, State, Usage, Verdict
from autoresearch_kit.spending import Meter, per
from autoresearch_kit.workspace import Workspace


@dataclass(frozen=True)
class Status:
    """`training_share` is the share of the runs' wall-clock that was budgeted training.

    `usage` is what a language model took, with what is in flight.
    """

    tag: str
    running: bool
    state: State | None
    experiments: int
    kept: int
    crashed: int
    baseline: float | None
    best: float | None
    training_share: float
    disk_kb_per_experiment: float
    usage: Usage

    def cost(self) -> str:
        """What the language model took, for people; empty if none was asked."""
        if not self.usage.requests:
            return ""
        words = f"{self.usage}, {per(self.usage, self.experiments)} an experiment"
        return f"{words}, {per(self.usage, self.kept)} an improvement" if self.kept else words

    def words(self, now: float) -> str:
        """What it is doing, for people; `now` in seconds since the epoch."""
        return standing(self.tag, self.state, now, running=self.running)


def standing(tag: str, state: State | None, now: float, *, running: bool) -> str:
    """What campaign `tag` is doing by its `state`, for people; `now` in seconds since the epoch."""
    if state is None:
        return "not run here"
    if running:
        beat = now - state.heartbeat
        return f"{state.stage}, experiment {state.number}, seen {beat:.0f} s ago"
    if state.stage in (Stage.ENDED, Stage.FAILED):
        return f"{state.stage}: {state.message}"
    return f"died while {state.stage}; go on with: autoresearch run {tag}"


def read_status(root: Path, tag: str) -> Status:
    """The status of campaign `tag` in the project at `root`; the baseline is not counted."""
    workspace, ledger = Workspace(root, tag), History(root, tag)
    experiments = ledger.experiments()
    kept = [experiment for experiment in experiments if experiment.kept]
    return Status(
        tag=tag,
        running=workspace.running(),
        state=workspace.state(),
        experiments=max(0, len(experiments) - 1),
        kept=max(0, len(kept) - 1),
        crashed=sum(experiment.verdict is Verdict.CRASH for experiment in experiments),
        baseline=experiments[0].val_bpb if experiments else None,
        best=kept[-1].val_bpb if kept else None,
        training_share=training_share(experiments),
        disk_kb_per_experiment=ledger.disk_bytes() / 1000 / max(1, len(experiments)),
        usage=Meter(workspace.usage).total(experiments),
    )
