"""The parts of a prompt, each in versions from the full one to the shortest."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.contract import CONFIG
from autoresearch_kit.records import (
    Experiment,
    Run,
    Verdict,
    latest_noise,
    other_values,
    profiled_before,
    speed_by_run,
    steps_apart,
    values_of,
)
from autoresearch_kit.records.text import rounded
from autoresearch_kit.researchers.base import Surroundings, View
from autoresearch_kit.researchers.llm import experiment_lists, findings
from autoresearch_kit.researchers.llm.experiment_lists import at_speed, in_short
from autoresearch_kit.researchers.llm.prompt_budget import Section
from autoresearch_kit.researchers.llm.situation import situation
from autoresearch_kit.verdicts import pareto
from autoresearch_kit.verdicts.estimates import estimates

FRONT = 12  # members of the front that are listed, the best by the first objective first


@dataclass(frozen=True)
class Brief:
    """The campaign that a prompt is about; `directive` is the text of program.md."""

    view: View
    around: Surroundings
    directive: str


def account(brief: Brief) -> list[Section]:
    """Return the sections that tell of the campaign so far."""
    view, history = brief.view, brief.around.history
    return [
        directive(brief),
        guidance(view),
        situation(brief.around, view.notebook),
        standing(view, history),
        front(view),
        bounds(view),
        experiment_lists.in_flight(view),
        profile(view),
        Section("lessons", "Your lessons so far", (*_cuts(view.lessons, (1_000,)), "")),
        experiment_lists.best_few(view),
        experiment_lists.last(view, history),
        experiment_lists.plateau(view),
    ]


def directive(brief: Brief) -> Section:
    """Return what the human wrote into program.md."""
    cuts = _cuts(brief.directive.strip(), (8_000, 2_000))
    versions = (f"<program>\n{cut}\n</program>" if cut else "" for cut in cuts)
    return Section("directive", "The human's directive, program.md", tuple(versions))


def guidance(view: View) -> Section:
    """Return what the human says by `guide`."""
    return Section("guidance", "What the human says now", _cuts(view.guidance.strip(), (2_000,)))


def notebook(shown: TrainNotebook) -> Section:
    """Return the cells, so that none need be asked for."""
    cells = [cell for cell in shown.cells if not cell.markdown]
    full = "\n\n".join(_cell(cell) for cell in cells)
    config = "\n\n".join(_cell(cell) for cell in cells if cell.name == CONFIG)
    names = f"Cells: {', '.join(cell.name for cell in cells)}. Read them before you edit them."
    return Section("notebook", "The notebook", (full, f"{names}\n\n{config}", names))


def _cell(cell: Cell) -> str:
    kind = "locked" if cell.locked else "editable"
    return f"```python cell={cell.name} ({kind})\n{cell.source}\n```"


def _cuts(text: str, lengths: Sequence[int]) -> tuple[str, ...]:
    """Return the text, and shorter beginnings of it."""
    return (text, *(f"{text[:n]}\n[... cut]" if len(text) > n else text for n in lengths))


def standing(view: View, history: History) -> Section:
    """Return the best and its numbers, and the loss curve of its run."""
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
        f"syntax-tree nodes ({in_short(best.proposal.idea)})",
        f"- baseline: {metric} {known[0]}{firsts}{at_speed(first)}, {first.nodes:,} "
        "syntax-tree nodes",
        f"- tried after the baseline: {len(tried)}; {counts}",
    ]
    noise = latest_noise(view.experiments)
    if noise and noise.sigma:
        lines.append(
            f"- noise: {metric} of the same code differs by {rounded(noise.sigma)} from seed to "
            "seed (one sigma); a gain below about three of these takes several runs to be seen"
        )
    lines += _runs_of_best(best.runs)
    loss = findings.loss_line(history, best)
    full = "\n".join([*lines, f"- {loss}"] if loss else lines)
    return Section("standing", "Where the campaign stands", (full, "\n".join(lines)))


def _runs_of_best(runs: Sequence[Run]) -> list[str]:
    lines = [
        f"- the best's run: {run.steps:,} steps, {findings.tokens_of(run)}{run.memory} at most"
        for run in runs[-1:]
    ]
    if steps_apart(runs):
        lines.append(f"- the best's runs one by one: {speed_by_run(runs)}")
    return lines


def front(view: View) -> Section:
    """Return the keeps of which none is better in all objectives, with their values."""
    title, task = "The front: kept, and none better in all objectives", view.task
    if len(task.objectives) < 2:
        return Section("front", title, ("",))
    lines = list[str]()
    for each in pareto.front(view.experiments, task)[:FRONT]:
        values = ", ".join(f"{name} {_value(each, name)}" for name in task.objectives)
        lines.append(f"- experiment {each.number}: {values} ({in_short(each.proposal.idea)})")
    return Section("front", title, ("\n".join(lines),))


def bounds(view: View) -> Section:
    """Return the bounds in force, with the best's values."""
    task, best = view.task, view.experiment(view.best)
    if not task.bounds:
        return Section("bounds", "Bounds", ("",))
    lines = [f"- {bound}; the best has {_value(best, bound.metric)}" for bound in task.bounds]
    rule = (
        "An edit that breaks one is discarded as `out of bounds`, however good it is otherwise. "
        "Where noise leaves that open, it is run again."
    )
    return Section("bounds", "Bounds", ("\n".join([*lines, rule]),))


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


def _value(experiment: Experiment, metric: str) -> str:
    """Return the mean of a metric over an experiment's runs."""
    if metric == experiment.metric and experiment.score is not None:
        return rounded(experiment.score)
    known = values_of(experiment.runs)
    return rounded(known[metric]) if metric in known else "no value yet"
