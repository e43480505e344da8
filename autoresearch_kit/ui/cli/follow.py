"""Following a campaign in a terminal: a line per experiment, and a line that moves."""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
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
    SandboxLevel,
    Settings,
    Stage,
    Verdict,
    strongest,
)
from autoresearch_kit.reports.experiment import experiment_line
from autoresearch_kit.researchers.spending import per
from autoresearch_kit.ui.cli.app import console
from autoresearch_kit.verdicts.estimates import Estimate, best_estimate, estimates

POLL_SECONDS = 0.5
STYLES = {
    Verdict.KEEP: "bold green",
    Verdict.DISCARD: "dim",
    Verdict.CRASH: "red",
    Verdict.DISTURBED: "yellow",
}


def follow(workspace: Workspace, process: subprocess.Popen[bytes] | None = None) -> None:
    """Show the campaign until it ends. Ctrl-C asks it to stop, again stops it at once.

    Raises:
        KitError: the campaign ended with an error; the message is its own.
    """
    printer = _Printer(workspace)
    with (
        LiveDisplay(Text("starting"), console=console, transient=True) as display,
        _counted_interrupts() as interrupts,
    ):
        while _alive(workspace, process):
            time.sleep(POLL_SECONDS)
            printer.print_new()
            printer.pass_on(len(interrupts))
            display.update(_line(workspace, best_estimate(printer.experiments)))
    printer.print_new()
    _say_end(workspace, process)


class _Printer:
    """Prints each new experiment once, and passes Ctrl-C on."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._history = History(workspace.root, workspace.tag)
        self.experiments = self._history.experiments()
        self._interrupts = 0

    def print_new(self) -> None:
        """Print the experiments since the last call; ask git only if there may be any."""
        state = self._workspace.state()
        known = len(self.experiments)
        over = state is not None and state.stage in (Stage.ENDED, Stage.FAILED)
        if state is None or (state.number < known and not over):
            return
        self.experiments = self._history.experiments()
        for experiment, line in experiment_lines(self.experiments)[known:]:
            console.print(line, style=STYLES[experiment.verdict])

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


@contextmanager
def _counted_interrupts() -> Iterator[list[int]]:
    """Let Ctrl-C only add to a list, so that it can't interrupt anything halfway."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def experiment_lines(experiments: Sequence[Experiment]) -> list[tuple[Experiment, str]]:
    """Return all experiments, each with its line in the terminal."""
    known = estimates(experiments)
    level = strongest(tried.sandbox for tried in experiments if tried.sandbox)
    return [(tried, _experiment(tried, known.get(tried.number), level)) for tried in experiments]


def _experiment(tried: Experiment, known: Estimate | None, level: SandboxLevel | None) -> str:
    """Return an experiment's line, with its cost, and its sandbox if weaker than `level`."""
    notes = [
        per(tried.usage, 1) if tried.usage.requests else "",
        f"sandbox: {tried.sandbox}" if tried.sandbox not in (None, level) else "",
    ]
    shown = "".join(f"  ({note})" for note in notes if note)
    return f"{experiment_line(tried, known)}{shown}"


def _alive(workspace: Workspace, process: subprocess.Popen[bytes] | None) -> bool:
    return process.poll() is None if process else workspace.running()


def _line(workspace: Workspace, best: Estimate | None) -> Text:
    state = workspace.state()
    if state is None:
        return Text("starting")
    waits = f" {state.message}" if state.stage is Stage.WAITING else ""
    parts = [f"experiment {state.number}", f"{state.stage}{waits}"]
    if state.stage is Stage.RUNNING and state.run_folder:
        parts = [parts[0], *_running(Path(state.run_folder), workspace.settings())]
    if best is not None:
        parts.append(f"best {best}")
    return Text(" | ".join([*parts, state.idea]), overflow="ellipsis", no_wrap=True)


def _running(folder: Path, settings: Settings | None) -> list[str]:
    live = read_live(folder)
    if live.stage != "train":
        return [live.stage]
    if live.point is None:
        return ["train", "first step, which compiles"]
    budget = f"/{settings.train_seconds:.0f}" if settings else ""
    return [
        f"{live.stage} {live.point.seconds:.0f}{budget} s",
        f"step {live.point.step}",
        f"loss {live.point.loss:.3f}",
    ]


def _say_end(workspace: Workspace, process: subprocess.Popen[bytes] | None) -> None:
    state = workspace.state()
    if state is not None and state.stage is Stage.FAILED:
        raise KitError(state.message)
    if state is None or state.stage is not Stage.ENDED or (process and process.returncode != 0):
        raise KitError(
            f"campaign '{workspace.tag}' ended without a message; its log is {workspace.log}; "
            f"{workspace.way_on()}"
        )
    console.print(f"campaign '{workspace.tag}': {state.message}")
