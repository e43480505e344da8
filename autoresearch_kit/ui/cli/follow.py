"""Following a campaign in a terminal: a line per experiment, and one that moves."""

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
    State,
    Verdict,
    strongest,
)
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
    told = _Told(workspace)
    with (
        LiveDisplay(Text("starting"), console=console, transient=True) as display,
        _counted_interrupts() as interrupts,
    ):
        while _alive(workspace, process):
            time.sleep(POLL_SECONDS)
            told.tell_new()
            told.tell_stopping(len(interrupts))
            display.update(_line(workspace, best_estimate(told.experiments)))
    told.tell_new()
    _say_end(workspace, process)


class _Told:
    """What the terminal has been told so far: `experiments`, and that it stops."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._history = History(workspace.root, workspace.tag)
        self.experiments = self._history.experiments()
        self._interrupts = 0

    def tell_new(self) -> None:
        """Print each experiment that came since the last call; asks git only when one may have."""
        state = self._workspace.state()
        known = len(self.experiments)
        if state is None or (state.number < known and _goes(state)):
            return
        self.experiments = self._history.experiments()
        for experiment, line in experiment_lines(self.experiments)[known:]:
            console.print(line, style=STYLES[experiment.verdict])

    def tell_stopping(self, interrupts: int) -> None:
        """Pass Ctrl-C on, when it was pressed again; `interrupts` is how often in all."""
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
    """Ctrl-C only adds to the list, so that it can't strike in the middle of anything."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def experiment_lines(experiments: Sequence[Experiment]) -> list[tuple[Experiment, str]]:
    """All of a campaign's experiments, each with a line on what is known of it by now."""
    known = estimates(experiments)
    level = strongest(one.sandbox for one in experiments if one.sandbox)
    return [(one, _told(one, known.get(one.number), level)) for one in experiments]


def _told(one: Experiment, known: Estimate | None, level: SandboxLevel | None) -> str:
    """The line, with what it cost, and its sandbox if that was weaker than `level`."""
    notes = [
        per(one.usage, 1) if one.usage.requests else "",
        f"sandbox: {one.sandbox}" if one.sandbox not in (None, level) else "",
    ]
    said = "".join(f"  ({note})" for note in notes if note)
    return f"{one.line(str(known), known.scores) if known else one}{said}"


def _goes(state: State) -> bool:
    return state.stage not in (Stage.ENDED, Stage.FAILED)


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
            f"campaign '{workspace.tag}' ended without a word; its log is {workspace.log}; "
            f"{workspace.way_on()}"
        )
    console.print(f"campaign '{workspace.tag}': {state.message}")
