"""Tells a model what experiments and probes came to: numbers, prints, errors, curves.

What unreviewed code printed is quoted, so that it can't be taken for words of the kit.
"""

import re
from itertools import pairwise
from statistics import median_low

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.execution.handover import METRICS_FILE, recorded_file
from autoresearch_kit.execution.live import Point, read_points
from autoresearch_kit.execution.probed import Probed
from autoresearch_kit.execution.runner.crash_report import (
    Executed,
    error_in,
    excerpt,
    parse_executed,
    printed,
)
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook.changes import source_diff
from autoresearch_kit.records import Experiment, Run, StepProfile, Task, Verdict, other_values
from autoresearch_kit.records.text import cut_middle, rounded, without_escapes
from autoresearch_kit.researchers.duplicates import NEVER_RAN

PRINTED_LENGTH, TRACEBACK_LENGTH = 4_000, 4_000
"""Characters that are quoted of what a run printed, and of the error that ended it."""

PROBE_PRINTED_LENGTH = 5_000
DETAIL_LENGTH = 2_000
PROFILE_LENGTH = 2_000

NATS = ", nats a token"  # the unit of the loss of a language model

MARK = "| "  # every quoted line begins so, and nothing that the kit says does
_BREAKS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")

BINS = 20  # parts of a curve, each of as many of its points, over which losses are smoothed
MOMENTS = 8  # moments of training at which the loss is told in one line, the last among them


def quote(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text`, its head and its tail, each line marked."""
    lines = _BREAKS.split(cut_middle(without_escapes(text).strip("\n"), limit))
    return "\n".join(MARK + _printable(line) for line in lines)


def describe_experiment(history: History, experiment: Experiment) -> str:
    """Return all that git has of an experiment, for a model that asked for it."""
    proposal = experiment.proposal
    origin = "" if proposal.parent is None else f", made from {proposal.parent}"
    losses = table(_file(history, experiment.number, METRICS_FILE))
    which = " of run 1" if len(experiment.runs) > 1 else ""
    unit = "" if experiment.settings.task.folder else ", in nats a token"
    head = (
        f"training loss{which}{unit}, against steps and training seconds, smoothed: "
        f"the median of each {100 // BINS}% of its points"
    )
    detail = ["detail:", quote(experiment.detail, DETAIL_LENGTH)] if experiment.detail else []
    return "\n".join(
        [
            f"experiment {experiment.number}{origin}, by {proposal.researcher}",
            f"idea: {proposal.idea}",
            f"hypothesis: {proposal.hypothesis}",
            f"outcome: {outcome(experiment)}",
            *run_lines(experiment),
            f"{head}\n{losses}" if losses else "no loss was logged",
            *detail,
            *said(executed(history, experiment), PRINTED_LENGTH, TRACEBACK_LENGTH),
            _diff(history, experiment),
        ]
    )


def outcome(experiment: Experiment) -> str:
    """Return an experiment's verdict, reason and score."""
    value = experiment.score
    score = "" if value is None else f", {metric_of(experiment)} {rounded(value)}"
    not_judged = experiment.verdict is Verdict.DISTURBED
    note = ", not judged: this says nothing of the idea" if not_judged else ""
    if experiment.verdict is Verdict.KEEP and not experiment.kept:
        waits = "a person has yet to approve it" if experiment.waits else "a person rejected it"
        note = f", not built on: {waits}"
    return f"{experiment.verdict} ({experiment.reason}){score}{note}"


def metric_of(experiment: Experiment) -> str:
    """Return the name of the metric that an experiment's runs were scored by."""
    runs = (*experiment.runs, *experiment.set_aside, *experiment.reruns)
    return next((run.score.metric for run in runs if run.score), "score")


def run_lines(experiment: Experiment) -> list[str]:
    """Return a line for each run of an experiment: mended, judged, set aside, of the best again."""
    numbered = enumerate(experiment.runs, start=1)
    single = len(experiment.runs) == 1
    named = [
        *(("attempt that crashed and was mended", a.run) for a in experiment.proposal.attempts),
        *(("run" if single else f"run {number}", run) for number, run in numbered),
        *(("set aside, the machine was busy", run) for run in experiment.set_aside),
        *(("the best of its time, run again", run) for run in experiment.reruns),
    ]
    task = experiment.settings.task
    return [f"{name}: {_scored(run, task)}, {_numbers(run)}" for name, run in named]


def tokens_of(run: Run) -> str:
    """Return `2,048 tokens, 7 tokens/s, `; empty where none were counted."""
    return f"{run.tokens:,} tokens, {run.tokens_per_second:,.0f} tokens/s, " if run.tokens else ""


def said(ran: Executed, prints_length: int, error_length: int) -> list[str]:
    """Return what a run printed, head and tail, and the error that ended it, each quoted."""
    prints, error, lines = printed(ran), error_in(ran), list[str]()
    if prints:
        lines += ["printed:", quote(prints, prints_length)]
    if error:
        lines += ["traceback:", quote(excerpt(error, error_length), error_length)]
    return lines


def executed(history: History, experiment: Experiment) -> Executed:
    """Return the notebook of the run that crashed, if one did, else of the first, as it ran."""
    crashed = (number for number, run in enumerate(experiment.runs, start=1) if run.failure)
    name = recorded_file(number=next(crashed, 1))
    return parse_executed(_file(history, experiment.number, name))


def describe_probe(probed: Probed, task: Task) -> str:
    """Return what a probe came to: its numbers, step times, profile, prints, and its error."""
    run, loss = probed.run, curve(probed.metrics, "" if task.folder else NATS)
    what = "its submission" if task.folder else "a model"
    ended = f"the probe ran to its end, and handed {what} over, which was not scored"
    lines = [
        f"the probe crashed: {run.failure}" if run.failure else ended,
        f"{_numbers(run)}; {run.wall_seconds:.1f} s in all",
        *([loss] if loss else []),
        *(step_lines(probed.steps) if probed.steps else ["no step was timed"]),
    ]
    if run.failure:
        lines.append(quote(run.detail, TRACEBACK_LENGTH))
    if probed.traceback:
        lines += ["traceback:", quote(probed.traceback, TRACEBACK_LENGTH)]
    prints = ["printed:", quote(probed.printed, PROBE_PRINTED_LENGTH)]
    return "\n".join([*lines, *(prints if probed.printed else ["it printed nothing"])])


def step_lines(steps: StepProfile) -> list[str]:
    """Return how long steps take and what their time goes to."""
    lines = [f"step times: {steps.times()}"]
    if steps.rows:
        what = "kernels on the GPU" if steps.on_gpu else "operators"
        lines.append(
            f"where the time of a step goes, by torch.profiler ({steps.steps} profiled), the "
            f"{what} with most time of their own: share, ms a step, calls a step, name"
        )
        lines.append(quote("\n".join(map(str, steps.rows)), PROFILE_LENGTH))
    if steps.trouble:
        lines.append(f"no profile:\n{quote(steps.trouble, PROFILE_LENGTH)}")
    return lines


def loss_line(history: History, experiment: Experiment) -> str:
    """Return the smoothed loss of an experiment's first run in a line; empty if it logged none."""
    unit = "" if experiment.settings.task.folder else NATS
    return curve(_file(history, experiment.number, METRICS_FILE), unit)


def curve(metrics: bytes, unit: str = NATS) -> str:
    """Return the smoothed loss at a few moments; empty if there is none.

    `metrics` are the lines that the run logged; what can't be read of them is left out.
    """
    points = _smoothed(metrics)
    if not points:
        return ""
    last, count = points[-1], min(MOMENTS, len(points))
    spread = [points[round(at * (len(points) - 1) / max(1, count - 1))] for at in range(count)]
    shown = ", ".join(f"{_loss(point, 3)} at {point.seconds:.3g} s" for point in spread)
    counted = last.seconds > 0 and last.tokens
    speed = f"; {last.tokens / last.seconds:,.0f} tokens/s" if counted else ""
    return f"training loss{unit}, smoothed: {shown}{speed}"


def table(metrics: bytes) -> str:
    """Return the smoothed curve, a line for each point; empty if there is none to read."""
    lines = [
        f"{point.step:>8,} {point.seconds:>9.4g} {_loss(point, 4):>9}"
        for point in _smoothed(metrics)
    ]
    return "\n".join([f"{'step':>8} {'seconds':>9} {'loss':>9}", *lines]) if lines else ""


def _smoothed(metrics: bytes) -> list[Point]:
    """Return the median loss of each bin, at the step in the bin's middle; bins are as long."""
    points = read_points(metrics)
    count = min(BINS, len(points))
    edges = [round(at * len(points) / count) for at in range(count + 1)] if count else []
    smoothed = []
    for start, end in pairwise(edges):
        middle, loss = points[(start + end) // 2], median_low(p.loss for p in points[start:end])
        smoothed.append(Point(middle.step, middle.seconds, loss, middle.tokens))
    return smoothed


def _loss(point: Point, decimals: int) -> str:
    """Return a loss in so many decimals; one that is out of all bounds in few digits."""
    return f"{point.loss:.{decimals}f}" if abs(point.loss) < 1e4 else f"{point.loss:.3g}"


def _diff(history: History, experiment: Experiment) -> str:
    if experiment.proposal.parent is None:
        return "It is the notebook that the campaign began with."
    if experiment.reason in NEVER_RAN:
        return "Its edits were never run."
    sources = (history.source(at) for at in (experiment.proposal.parent, experiment.number))
    return str(source_diff(*sources))


def _file(history: History, number: int, name: str) -> bytes:
    try:
        return history.file(number, name)
    except LedgerError:
        return b""  # it never ran, or logged nothing


def _scored(run: Run, task: Task) -> str:
    if run.score is None:
        return f"no score ({run.failure})"
    return f"{run.score.metric} {rounded(run.score.value)}{other_values(task, [run])}"


def _numbers(run: Run) -> str:
    steps = f"{run.steps:,} steps, {tokens_of(run)}".removesuffix(", ")
    compiling = f"{run.compile_seconds:.0f} s of compilation"
    return f"{steps} in {run.trained}; {compiling}, {run.memory} at most"


def _printable(line: str) -> str:
    return "".join(mark if mark.isprintable() else " " for mark in line.expandtabs(4)).rstrip()
