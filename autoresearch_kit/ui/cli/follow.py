"""Following a campaign in a terminal: a line per experiment, and a line that moves."""

import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.live import Live as LiveDisplay
from rich.text import Text

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.live import read_live
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    Experiment,
    Request,
    Stage,
    State,
    Verdict,
    strongest,
)
from autoresearch_kit.reports.experiment import experiment_line
from autoresearch_kit.researchers.spending import per
from autoresearch_kit.ui.cli.app import console
from autoresearch_kit.verdicts.estimates import best_estimate, estimates

POLL_SECONDS = 0.5
STYLES = {
    Verdict.KEEP: "bold green",
    Verdict.DISCARD: "dim",
    Verdict.CRASH: "red",
    Verdict.DISTURBED: "yellow",
}


def follow(workspace: Workspace, process: subprocess.Popen[bytes] | None = None) -> None:
    """Show the campaign until it ends. Ctrl-C asks it to stop, again stops it at once.

    `process` runs it, if this command started it.

    Raises:
        KitError: the campaign ended with an error; the message is its own.
    """
    follower = _Follower(workspace)
    with (
        LiveDisplay(Text("starting"), console=console, transient=True) as display,
        _counted_interrupts() as interrupts,
    ):
        while process.poll() is None if process else workspace.running():
            time.sleep(POLL_SECONDS)
            follower.print_new()
            follower.pass_on(len(interrupts))
            display.update(follower.line())
    follower.print_new()
    state = workspace.state()
    if state is not None and state.stage is Stage.FAILED:
        raise KitError(state.message)
    if state is None or state.stage is not Stage.ENDED or (process and process.returncode != 0):
        raise KitError(
            f"campaign '{workspace.tag}' ended without a message; its log is {workspace.log}; "
            f"{workspace.way_on()}"
        )
    console.print(f"campaign '{workspace.tag}': {state.message}")


class _Follower:
    """Prints each new experiment once, and passes Ctrl-C on."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._history = History(workspace.root, workspace.tag)
        self._experiments = self._history.experiments()
        self._interrupts = 0

    def print_new(self) -> None:
        """Print the experiments since the last call; ask git only if there may be any."""
        state = self._workspace.state()
        known = {experiment.number for experiment in self._experiments}
        over = state is not None and state.stage in (Stage.ENDED, Stage.FAILED)
        if state is None or (state.number in known and not over):
            return
        self._experiments = self._history.experiments()
        print_experiments(self._experiments, known)

    def pass_on(self, interrupts: int) -> None:
        """Ask the campaign to stop if Ctrl-C was pressed again; `interrupts` counts them all."""
        if interrupts == self._interrupts:
            return
        self._interrupts = interrupts
        if interrupts == 1:
            self._workspace.write_request(Request.STOP)
            console.print("stopping after this experiment; Ctrl-C again stops at once")
        else:
            self._workspace.write_request(Request.STOP_NOW)

    def line(self) -> Text:
        """Return what the campaign is doing now."""
        state = self._workspace.state()
        if state is None:
            return Text("starting")
        best = best_estimate(self._experiments)
        parts = [f"experiment {state.number}", *self._doing(state)]
        parts += [f"best {best}"] if best is not None else []
        return Text(" | ".join([*parts, state.idea]), overflow="ellipsis", no_wrap=True)

    def _doing(self, state: State) -> list[str]:
        if state.stage is Stage.WAITING:
            return [f"{state.stage} {state.message}"]
        if state.stage is not Stage.RUNNING or not state.run_folder:
            return [str(state.stage)]
        live = read_live(Path(state.run_folder))
        if live.stage != "train":
            return [live.stage]
        if live.point is None:
            return ["train", "first step, which compiles"]
        settings = self._workspace.settings()
        budget = f"/{settings.train_seconds:.0f}" if settings else ""
        return [
            f"train {live.point.seconds:.0f}{budget} s",
            f"step {live.point.step}",
            f"loss {live.point.loss:.3f}",
        ]


@contextmanager
def _counted_interrupts() -> Iterator[list[int]]:
    """Let Ctrl-C only add to a list, so that it can't interrupt anything halfway."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def print_experiments(experiments: Sequence[Experiment], shown: Collection[int] = ()) -> None:
    """Print a line for each experiment whose number is not in `shown`."""
    for experiment, line in zip(experiments, experiment_lines(experiments), strict=True):
        if experiment.number not in shown:
            console.print(line, style=STYLES[experiment.verdict])


def experiment_lines(experiments: Sequence[Experiment]) -> list[str]:
    """Return each experiment's line, with its cost, and its sandbox where others had a stronger."""
    known = estimates(experiments)
    level = strongest(tried.sandbox for tried in experiments if tried.sandbox)
    lines = []
    for tried in experiments:
        cost = f"  ({per(tried.usage, 1)})" if tried.usage.requests else ""
        weaker = tried.sandbox not in (None, level)
        line = experiment_line(tried, known.get(tried.number))
        lines.append(f"{line}{cost}" + (f"  (sandbox: {tried.sandbox})" if weaker else ""))
    return lines
