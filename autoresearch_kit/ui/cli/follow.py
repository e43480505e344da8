"""Following a campaign in a terminal: a line per experiment, a line that moves, its slots."""

import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Group, RenderableType
from rich.live import Live as LiveDisplay
from rich.table import Table
from rich.text import Text

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.live import read_live
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Experiment, Request, SlotUse, Stage, State, Verdict, strongest
from autoresearch_kit.reports.experiment import experiment_line
from autoresearch_kit.reports.status import slot_lines, slots_in_short, under_way
from autoresearch_kit.reports.under_way import STAGES
from autoresearch_kit.researchers.spending import per
from autoresearch_kit.ui.cli.app import console
from autoresearch_kit.verdicts.estimates import best_estimate, estimates

POLL_SECONDS = 0.5

LOOK_SECONDS = 5.0
"""Seconds after which git is asked for new experiments even where the state is as it was."""

MOST_SLOTS = 8
"""Slots that are shown while a campaign is followed; those that run nothing come first."""

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
            follower.look()
            follower.pass_on(len(interrupts))
            display.update(follower.shown())
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
        self._entries = {each.experiment.number: each for each in self._history.entries()}
        self._interrupts = 0
        self._seen: tuple[object, ...] = ()
        self._looked = 0.0

    def look(self) -> None:
        """Print new experiments; ask git only if there may be any."""
        state = self._workspace.state()
        if state is None:
            return
        seen = state.stage, state.number, *(use.number for use in state.slots)
        if seen != self._seen or time.monotonic() - self._looked > LOOK_SECONDS:
            self._seen, self._looked = seen, time.monotonic()
            self.print_new()

    def print_new(self) -> None:
        """Print the experiments that git has since the last call."""
        entries = {each.experiment.number: each for each in self._history.entries(self._entries)}
        known, self._entries = self._entries, entries
        if entries.keys() != known.keys():
            print_experiments(self._experiments, known)

    @property
    def _experiments(self) -> list[Experiment]:
        return [entry.experiment for entry in self._entries.values()]

    def pass_on(self, interrupts: int) -> None:
        """Ask the campaign to stop if Ctrl-C was pressed again; `interrupts` counts them all."""
        if interrupts == self._interrupts:
            return
        self._interrupts = interrupts
        if interrupts == 1:
            self._workspace.write_request(Request.STOP)
            last = under_way(self._workspace.state())
            console.print(f"stopping after {last}; Ctrl-C again stops at once")
        else:
            self._workspace.write_request(Request.STOP_NOW)

    def shown(self) -> RenderableType:
        """Return what the campaign is doing now: a line, and a table of slots if there are more."""
        state = self._workspace.state()
        if state is None:
            return Text("starting")
        experiments = self._experiments
        best = best_estimate(experiments)
        metric = experiments[-1].settings.task.objective.name if experiments else ""
        known = [f"best {metric} {best}"] if best is not None else []
        if len(state.slots) > 1:
            now = time.time()
            line = _line([str(state.stage), slots_in_short(state.slots, now), *known])
            return Group(line, slots_table(state.slots, now, MOST_SLOTS))
        return _line([f"experiment {state.number}", *self._doing(state), *known, state.idea])

    def _doing(self, state: State) -> list[str]:
        if state.stage is Stage.WAITING:
            return [f"{state.stage} {state.message}"]
        if state.stage is not Stage.RUNNING or not state.run_folder:
            return [str(state.stage)]
        live = read_live(Path(state.run_folder))
        if live.stage != "train":
            return [STAGES.get(live.stage, live.stage)]
        settings = self._workspace.settings()
        budget = f"/{settings.train_seconds:.0f}" if settings else ""
        if live.point is None and settings and settings.task.folder:  # it may log nothing
            return [f"train {time.time() - live.since:.0f}{budget} s"]
        if live.point is None:
            return ["train", "first step, which compiles"]
        return [
            f"train {live.point.seconds:.0f}{budget} s",
            f"step {live.point.step}",
            f"loss {live.point.loss:.3f}",
        ]


def _line(parts: Sequence[str]) -> Text:
    return Text(" | ".join(parts), overflow="ellipsis", no_wrap=True)


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


def slots_table(uses: Sequence[SlotUse], now: float, most: int | None = None) -> Table:
    """Return a line for each slot, or for `most` of them: left-out and idle ones come first.

    What does not fit into the terminal's width is cut off the words of what a slot runs.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=True)
    table.add_column("slot", no_wrap=True)
    table.add_column("runs", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in ("for", "training", "idle"):
        table.add_column(name, justify="right", no_wrap=True)
    lines = slot_lines(uses, now)
    for line in lines[:most]:
        cells = line.slot, line.doing, line.lasts, line.training, line.idle
        table.add_row(*map(Text, cells))
    if (more := len(lines) - len(lines[:most])) > 0:
        table.add_row("", f"and {more} more; autoresearch status lists all")
    return table
