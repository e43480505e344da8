"""What git has of an experiment's runs, in words for a model: numbers, prints, errors, curves."""

from dataclasses import dataclass

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.execution.handover import METRICS_FILE, recorded_file
from autoresearch_kit.execution.runner.crash_report import (
    Executed,
    error_in,
    parse_executed,
    printed,
)
from autoresearch_kit.execution.runner.traceback_excerpt import excerpt
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Experiment, Run
from autoresearch_kit.researchers.llm import curve
from autoresearch_kit.researchers.llm.quoting import quote


def metrics(history: History, number: int) -> bytes:
    """Return the lines that the experiment's first run logged; none if it logged nothing."""
    return _file(history, number, METRICS_FILE)


def run_lines(one: Experiment) -> list[str]:
    """Return a line for each run that it took: its own, those set aside, those of the best."""
    several = len(one.runs) > 1
    own = [
        f"run {place}: {_numbers(run)}" if several else f"run: {_numbers(run)}"
        for place, run in enumerate(one.runs, start=1)
    ]
    mended = [
        f"attempt that crashed and was mended: {_numbers(attempt.run)}"
        for attempt in one.proposal.attempts
    ]
    aside = [f"set aside, the machine was busy: {_numbers(run)}" for run in one.set_aside]
    best = [f"the best of its time, run again: {_numbers(run)}" for run in one.reruns]
    return [*mended, *own, *aside, *best]


def loss_line(history: History, one: Experiment) -> str:
    """Return the smoothed training loss at the end of its first run; empty if it logged none."""
    loss = curve.final_loss(metrics(history, one.number))
    if loss is None:
        return ""
    which = " of run 1" if len(one.runs) > 1 else ""
    return (
        f"training loss at the end{which}: {curve.number(loss)} nats a token "
        f"(the median of the last {100 // curve.BINS}% of its points)"
    )


def loss_table(history: History, one: Experiment) -> str:
    """Return the smoothed loss curve of its first run, or say that there is none."""
    table = curve.table(metrics(history, one.number))
    if not table:
        return f"experiment {one.number} logged no loss ({one.verdict}: {one.reason})"
    which = "run 1" if len(one.runs) > 1 else "its run"
    return (
        f"training loss of experiment {one.number}, {which}, in nats a token, against steps and "
        f"training seconds, smoothed: {curve.SMOOTHING}\n{table}"
    )


@dataclass(frozen=True)
class Room:
    """How many characters there are for what a run printed, and for the error that ended it."""

    prints: int
    error: int


def said(ran: Executed, room: Room) -> list[str]:
    """Return what a run printed, head and tail, and the error that ended it, each quoted."""
    prints, error = printed(ran), error_in(ran)
    lines = []
    if prints:
        lines += ["printed:", quote(prints, room.prints)]
    if error:
        lines += ["traceback:", quote(excerpt(error, room.error), room.error)]
    return lines


def executed(history: History, one: Experiment) -> Executed:
    """Return the notebook of the run that crashed, if one did, else of the first, as it ran."""
    crashed = (place for place, run in enumerate(one.runs, start=1) if run.failure)
    name = recorded_file(place=next(crashed, 1))
    return parse_executed(_file(history, one.number, name))


def _file(history: History, number: int, name: str) -> bytes:
    try:
        return history.file(number, name)
    except LedgerError:
        return b""  # it never ran, or logged nothing


def _numbers(run: Run) -> str:
    score = f"val_bpb {run.score.value:.6f}" if run.score else f"no score ({run.failure})"
    return (
        f"{score}, {run.steps} steps, {run.tokens:,} tokens, {run.tokens_per_second:,.0f} tokens/s "
        f"in {run.trained}; {run.compile_seconds:.0f} s of compilation, "
        f"{run.memory} at most"
    )
