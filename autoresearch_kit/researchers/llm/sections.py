"""The parts of a prompt, each in versions from the full one to the shortest."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from autoresearch_kit.machine import profiles
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.constants import constant_values
from autoresearch_kit.notebook.contract import CONFIG, PARAMETERS
from autoresearch_kit.records import (
    Clock,
    DatasetInfo,
    Experiment,
    Machine,
    Proposal,
    Reason,
    Settings,
    Task,
    TaskInfo,
    Verdict,
    judged_since,
    latest_noise,
    other_values,
    profiled_before,
    speed_by_run,
    steps_apart,
    values_of,
)
from autoresearch_kit.records.proposals import IDEA_LENGTH
from autoresearch_kit.records.text import both_ends, one_line, rounded, with_error
from autoresearch_kit.researchers.base import Surroundings, View
from autoresearch_kit.researchers.llm import findings
from autoresearch_kit.researchers.llm.findings import quote
from autoresearch_kit.researchers.llm.prompt_budget import Section
from autoresearch_kit.tasks.lm.corpora import about, how_packed
from autoresearch_kit.verdicts import pareto
from autoresearch_kit.verdicts.estimates import estimates
from autoresearch_kit.verdicts.retries import retry_in_words

CHANGE_DIRECTION_AFTER = (
    6  # experiments without a keep after which the prompt asks for a change of direction
)
FRONT = 12  # members of the front that are listed, the best by the first objective first
DETAIL_LENGTH = 200
ABOUT_LENGTH = 2_000  # characters of what a task says of itself
CHANGED_LENGTH = 300  # characters of what an experiment changes, by the names of what it changes

LAST_DETAILS = ((20, 600, 1_500), (10, 200, 600))
"""The number of last experiments that are listed, and the characters of what the very last printed
and of its error: at first, and shortened."""

LAST_FEWEST = (5, 3)
"""The numbers that are listed once nothing of what the last printed is shown any more."""

TRAIN_SECONDS = "TRAIN_SECONDS"  # the parameter whose value each run gets from the kit
_NOT_JUDGED = {
    Reason.MACHINE_BUSY: "the machine was busy, which says nothing of the idea",
    Reason.FEWER_STEPS: "its runs under different seeds made very different numbers of steps",
}


@dataclass(frozen=True)
class Brief:
    """The campaign that a prompt is about; `directive` is the text of program.md."""

    view: View
    around: Surroundings
    directive: str


def account(brief: Brief) -> list[Section]:
    """Return the sections that tell of the campaign so far."""
    view = brief.view
    return [
        directive(brief),
        guidance(view),
        situation(brief.around, view.notebook),
        standing(brief),
        front(brief),
        bounds(brief),
        in_flight(view),
        profile(view),
        Section("lessons", "Your lessons so far", (*_cuts(view.lessons, (1_000,)), "")),
        best_few(view),
        last(brief),
        plateau(view),
    ]


def directive(brief: Brief) -> Section:
    """Return what the human wrote into program.md."""
    cuts = _cuts(brief.directive.strip(), (8_000, 2_000))
    versions = (f"<program>\n{cut}\n</program>" if cut else "" for cut in cuts)
    return Section("directive", "The human's directive, program.md", tuple(versions))


def guidance(view: View) -> Section:
    """Return what the human says by `guide`."""
    return Section("guidance", "What the human says now", _cuts(view.guidance.strip(), (2_000,)))


def situation(around: Surroundings, notebook: TrainNotebook) -> Section:
    """Return the machine, the budget, the task, and what `run` offers on this machine only."""
    machine, data, settings = around.machine, around.dataset, around.settings
    compiles = "works" if machine.compiles else "does not work"
    cpu_time = " (CPU time over the cores; cores that are left idle count for the most part)"
    gpu_memory = settings.gpu_memory_mb
    of_gpu = "" if gpu_memory is None else f", and {gpu_memory:,.0f} MB of the GPU's memory"
    written = constant_values(notebook.cell(PARAMETERS).source).get(TRAIN_SECONDS)
    other_budget = (
        f". {TRAIN_SECONDS} is {settings.train_seconds:g} in runs, whatever the cell {PARAMETERS} "
        f"says ({written})"
    )
    lines = [
        f"- {machine.device}, {machine.cores} cores, {machine.memory_mb / 1000:.0f} GB of memory, "
        f"torch {machine.torch}, {machine.precision}; torch.compile {compiles} here",
        f"- {settings.train_seconds:g} s of training a run"
        f"{'' if settings.clock is Clock.WALL else cpu_time}, not counting "
        f"up to {settings.compile_seconds:g} s of compilation in the first steps; a run may take "
        f"{settings.memory_mb:,.0f} MB of memory{of_gpu}"
        f"{'' if written == settings.train_seconds else other_budget}",
        *_tuned_lines(settings),
        *_run_lines(machine, notebook),
        *_data_lines(data),
    ]
    return Section("ground", "The machine, the budget, the task", ("\n".join(lines),))


def _tuned_lines(settings: Settings) -> list[str]:
    if settings.task.folder:
        return []
    tuned_for = profiles.find(settings.profile).tuned_for
    return [f"- the constants of config that the campaign began with were tuned for {tuned_for}"]


def _data_lines(data: DatasetInfo | TaskInfo) -> list[str]:
    if isinstance(data, TaskInfo):
        about_it = f": {one_line(data.about, ABOUT_LENGTH)}" if data.about else ""
        return [f"- task {data.name}{about_it}", *_metric_lines(data.task)]
    return [
        f"- corpus {data.name}: {data.train_tokens:,} training tokens of {data.train_bytes:,} "
        f"bytes, vocabulary {data.vocab_size:,}, context {data.context}",
        f"- {about(data.name)}",
        f"- {how_packed(data)}",
        f"- for orientation: xz -9e needs {data.xz_bpb:.3f} bits per byte for the scored text",
    ]


def _metric_lines(task: Task) -> list[str]:
    """Return the metrics of a task that are measured but decide nothing."""
    others = [str(metric) for metric in task.metrics if metric.name not in task.objectives]
    return [f"- measured as well: {'; '.join(others)}"] if others else []


def _run_lines(machine: Machine, notebook: TrainNotebook) -> list[str]:
    """Return what `run` offers on this machine; of what it never does here, only what is called."""
    code = "\n".join(cell.source for cell in notebook.cells if not cell.markdown)
    lines = []
    if machine.accelerator:
        lines.append(
            "- `run.accumulate(forward_backward, batches, model)` calls "
            "`forward_backward(batches)`, again with more and smaller batches where memory ends"
        )
    elif "run.accumulate" in code:
        lines.append("- `run.accumulate` just calls `forward_backward(micro_batches)`")
    if machine.precision == "float16":
        lines.append("- `run.scaler` scales losses, as float16 needs it")
    elif "run.scaler" in code:
        lines.append(f"- `run.scaler` changes nothing here, in {machine.precision}")
    if not machine.accelerator and "is_cuda" in code:
        lines.append("- what the cells do only where `is_cuda` holds is never run here")
    return lines


def standing(brief: Brief) -> Section:
    """Return the best and its numbers, and the loss curve of its run."""
    view = brief.view
    best, first = view.experiment(view.best), view.experiment(0)
    metric, known = findings.metric_of(best), estimates(view.experiments)
    tried = [each.verdict for each in view.experiments if each.number]
    counts = ", ".join(
        f"{tried.count(verdict)} {verdict}"
        for verdict in Verdict
        if verdict is not Verdict.DISTURBED or verdict in tried
    )
    task = best.settings.task
    values, firsts = (other_values(task, each.runs) for each in (best, first))
    lines = [
        f"- best: experiment {best.number}, {metric} {known[best.number]}{values}, {best.nodes:,} "
        f"syntax-tree nodes ({_short(best.proposal.idea)})",
        f"- baseline: {metric} {known[0]}{firsts}{_at_speed(first)}, {first.nodes:,} "
        "syntax-tree nodes",
        f"- tried after the baseline: {len(tried)}; {counts}",
    ]
    noise = latest_noise(view.experiments)
    if noise and noise.sigma:
        lines.append(
            f"- noise: {metric} of the same code differs by {rounded(noise.sigma)} from seed to "
            "seed (one sigma); a gain below about three of these takes several runs to be seen"
        )
    if best.runs:
        run = best.runs[-1]
        lines.append(
            f"- the best's run: {run.steps:,} steps, {findings.tokens_of(run)}{run.memory} at most"
        )
    if steps_apart(best.runs):
        lines.append(f"- the best's runs one by one: {speed_by_run(best.runs)}")
    loss = findings.loss_line(brief.around.history, best)
    full = "\n".join([*lines, f"- {loss}"] if loss else lines)
    return Section("standing", "Where the campaign stands", (full, "\n".join(lines)))


def front(brief: Brief) -> Section:
    """Return the keeps of which none is better in all objectives, with their values."""
    title, task = "The front: kept, and none better in all objectives", brief.view.task
    if len(task.objectives) < 2:
        return Section("front", title, ("",))
    lines = list[str]()
    for each in pareto.front(brief.view.experiments, task)[:FRONT]:
        values = ", ".join(f"{name} {_value(each, name)}" for name in task.objectives)
        lines.append(f"- experiment {each.number}: {values} ({_short(each.proposal.idea)})")
    return Section("front", title, ("\n".join(lines),))


def bounds(brief: Brief) -> Section:
    """Return the bounds in force, with the best's values."""
    task, best = brief.view.task, brief.view.experiment(brief.view.best)
    if not task.bounds:
        return Section("bounds", "Bounds", ("",))
    lines = [f"- {bound}; the best has {_value(best, bound.metric)}" for bound in task.bounds]
    rule = (
        "An edit that breaks one is discarded as `out of bounds`, however good it is otherwise. "
        "Where noise leaves that open, it is run again."
    )
    return Section("bounds", "Bounds", ("\n".join([*lines, rule]),))


def in_flight(view: View) -> Section:
    """Return what runs now and what is prepared: the ideas, and what each changes."""
    if not view.in_flight:
        return Section("in flight", "", ("",))
    ideas = [
        f"- {'running now' if proposal in view.running else 'prepared, to run next'}: "
        f"experiment {proposal.number}, from {proposal.parent} ({_short(proposal.idea)})"
        for proposal in view.in_flight
    ]
    changes = [_changed(proposal) for proposal in view.in_flight]
    rule = (
        "Yours comes after these, and builds on the best above. Don't repeat any of them: change "
        "something else, or the same thing in another way."
    )
    full = [f"{idea}{change}" for idea, change in zip(ideas, changes, strict=True)]
    title = "What is under way, outcome not known"
    return Section("in flight", title, ("\n".join([*full, rule]), "\n".join([*ideas, rule])))


def profile(view: View) -> Section:
    """Return where the time of a step goes in the best, or in a keep of the same structure."""
    title = "Where the time of a step of the best goes"
    best = view.experiment(view.best)
    profiled = profiled_before(view.experiments, best.structure)
    if profiled is None or profiled.profiled is None or profiled.profiled.steps is None:
        return Section("profile", title, ("",))
    times, *others = findings.step_lines(profiled.profiled.steps)
    if profiled.number != best.number:
        times = f"of experiment {profiled.number}, the same code but for constants:\n{times}"
    return Section("profile", title, ("\n".join([times, *others]), times))


def best_few(view: View) -> Section:
    """Return the keeps after the baseline that made the best better by most."""
    metric = view.experiment(0).settings.task.objective
    leading = [each for each in view.experiments if each.kept and each.reason != Reason.TRADE_OFF]
    scored = [(each, each.score) for each in leading if each.score is not None]
    gains = [
        (metric.sign * (before - score), kept) for (_, before), (kept, score) in pairwise(scored)
    ]
    ranked = sorted(gains, key=lambda gain: gain[0], reverse=True)[:5]
    lines = [
        f"- experiment {kept.number}: {rounded(gain)} {metric.direction} than the best before it "
        f"({_short(kept.proposal.idea)}){_scored(kept)}"
        for gain, kept in ranked
        if gain > 0  # a keep for less code may score a little worse
    ]
    versions = tuple("\n".join(lines[:count]) for count in (5, 3, 0))
    return Section("best", "The largest gains so far", versions)


def last(brief: Brief) -> Section:
    """Return the experiments most recently tried; of the very last what it printed, too."""
    view, history = brief.view, brief.around.history
    title = "The last experiments, oldest first"
    tried = [each for each in view.experiments if each.number]
    if not tried:
        return Section("last", title, ("",))
    lines = [_tried(each, view) for each in tried[-LAST_DETAILS[0][0] :]]
    latest = tried[-1]
    numbers = [*findings.run_lines(latest), findings.loss_line(history, latest)]
    ran = findings.executed(history, latest)
    detailed = (
        [
            *lines[-count:],
            *(f"  {line}" for line in numbers if line),
            *findings.said(ran, prints_length, error_length),
        ]
        for count, prints_length, error_length in LAST_DETAILS
    )
    versions = (*detailed, *(lines[-count:] for count in LAST_FEWEST))
    return Section("last", title, tuple("\n".join(version) for version in versions))


def plateau(view: View) -> Section:
    """Return what to do when nothing has helped for a while."""
    since = len(judged_since(view.experiments, view.experiment(view.best)))
    text = (
        f"The last {since} experiments gained nothing. Change direction: leave the neighbourhood "
        "of what was tried last, question an assumption that none of them touched, or simplify. "
        "Another small step on the same constants is not wanted."
    )
    return Section("plateau", "A plateau", (text if since >= CHANGE_DIRECTION_AFTER else "",))


def notebook(shown: TrainNotebook) -> Section:
    """Return the cells, so that none need be asked for."""
    cells = [cell for cell in shown.cells if not cell.markdown]
    full = "\n\n".join(_cell(cell) for cell in cells)
    config = "\n\n".join(_cell(cell) for cell in cells if cell.name == CONFIG)
    names = f"Cells: {', '.join(cell.name for cell in cells)}. Read them before you edit them."
    return Section("notebook", "The notebook", (full, f"{names}\n\n{config}", names))


def _value(experiment: Experiment, metric: str) -> str:
    """Return the mean of a metric over an experiment's runs."""
    if metric == experiment.metric and experiment.score is not None:
        return rounded(experiment.score)
    known = values_of(experiment.runs)
    return rounded(known[metric]) if metric in known else "no value yet"


def _changed(proposal: Proposal) -> str:
    """Return what a proposal changes, in short; empty for nothing."""
    constants = [f"{name} = {value!r}" for name, value in proposal.constants.items()]
    changes = [*constants, *(f"{edit.action} {edit.cell}" for edit in proposal.edits)]
    return f": {one_line(', '.join(changes), CHANGED_LENGTH)}" if changes else ""


def _cell(cell: Cell) -> str:
    kind = "locked" if cell.locked else "editable"
    return f"```python cell={cell.name} ({kind})\n{cell.source}\n```"


def _tried(experiment: Experiment, view: View) -> str:
    proposal, mended = experiment.proposal, len(experiment.proposal.attempts)
    verdict = f"{experiment.verdict}, {experiment.reason}"
    if experiment.verdict is Verdict.DISTURBED:
        later = retry_in_words(experiment, view.experiments, view.running)
        verdict = f"not judged, since {_NOT_JUDGED[experiment.reason]}; {later} by the program"
    repairs = f", a bug mended {mended}x" if mended else ""
    line = (
        f"- experiment {experiment.number} ({proposal.researcher}, from {proposal.parent}): "
        f"{verdict}{_scored(experiment)}{repairs}. {_short(proposal.idea)}"
    )
    if experiment.verdict in (Verdict.CRASH, Verdict.DISTURBED) and experiment.detail:
        return f"{line}\n{quote(both_ends(experiment.detail, DETAIL_LENGTH), DETAIL_LENGTH)}"
    return line


def _scored(experiment: Experiment) -> str:
    """Return an experiment's score, and how fast it trained for that; empty if it has none."""
    if experiment.score is None:
        return ""
    score = with_error(experiment.score, experiment.error)
    others = other_values(experiment.settings.task, experiment.runs)
    return f", {findings.metric_of(experiment)} {score}{others}{_at_speed(experiment)}"


def _at_speed(experiment: Experiment) -> str:
    words = speed_by_run(experiment.runs)
    return f", {words}" if words else ""


def _short(idea: str) -> str:
    return one_line(idea, IDEA_LENGTH)


def _cuts(text: str, lengths: Sequence[int]) -> tuple[str, ...]:
    """Return the text, and shorter beginnings of it."""
    return (text, *(f"{text[:n]}\n[... cut]" if len(text) > n else text for n in lengths))
