"""The parts of a prompt, each in versions from the full one to the shortest."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.contract import CONFIG
from autoresearch_kit.records import (
    Experiment,
    Reason,
    Verdict,
    judged_since,
    latest_noise,
    profiled_before,
    speed_by_run,
    steps_apart,
)
from autoresearch_kit.records.text import both_ends, one_line, with_error
from autoresearch_kit.researchers.base import Surroundings, View
from autoresearch_kit.researchers.llm import findings
from autoresearch_kit.researchers.llm.findings import quote
from autoresearch_kit.verdicts.estimates import estimates
from autoresearch_kit.verdicts.retries import fate

PLATEAU = 6
"""Experiments without a keep after which the prompt asks for a change of direction."""

IDEA_LENGTH = 120
DETAIL_LENGTH = 200

LAST_DETAILS = ((20, 600, 1_500), (10, 200, 600))
"""The number of last experiments that are listed, and the characters of what the very last printed
and of its error: at first, and shortened."""

LAST_FEWEST = (5, 3)
"""The numbers that are listed once nothing of what the last printed is shown any more."""

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


@dataclass(frozen=True)
class Section:
    """A part of a prompt. An empty version leaves it out, its title too."""

    name: str
    title: str
    versions: tuple[str, ...]


def directive(brief: Brief) -> Section:
    """Return what the human wrote into program.md."""
    versions = (
        f"<program>\n{cut}\n</program>" if cut else ""
        for cut in _cuts(brief.directive.strip(), (8_000, 2_000))
    )
    return Section("directive", "The human's directive, program.md", tuple(versions))


def guidance(view: View) -> Section:
    """Return what the human says by `guide`."""
    return Section("guidance", "What the human says now", _cuts(view.guidance.strip(), (2_000,)))


def standing(brief: Brief) -> Section:
    """Return the best and its numbers, and the loss curve of its run."""
    view = brief.view
    best, first = view.experiment(view.best), view.experiments[0]
    metric, known = findings.metric_of(best), estimates(view.experiments)
    lines = [
        f"- best: experiment {best.number}, {metric} {known[best.number]}, {best.nodes:,} "
        f"syntax-tree nodes ({_short(best.proposal.idea)})",
        f"- baseline: {metric} {known[0]}{_at_speed(first)}, {first.nodes:,} syntax-tree nodes",
        f"- tried after the baseline: {len(view.experiments) - 1}; {_counts(view.experiments)}",
    ]
    noise = latest_noise(view.experiments)
    if noise:
        lines.append(
            f"- noise: {metric} of the same code differs by {noise.sigma:.6f} from seed to seed "
            "(one sigma); a gain below about three of these takes several runs to be seen"
        )
    if best.runs:
        run = best.runs[-1]
        lines.append(
            f"- the best's run: {run.steps:,} steps, {run.tokens:,} tokens, "
            f"{run.tokens_per_second:,.0f} tokens/s, {run.memory} at most"
        )
    if steps_apart(best.runs):
        lines.append(f"- the best's runs one by one: {speed_by_run(best.runs)}")
    if view.running is not None:
        lines.append(
            f"- running now, outcome not known: experiment {view.running.number} "
            f"({_short(view.running.idea)}). Yours is the one after it, and builds on the best "
            "above"
        )
    loss = findings.loss_line(brief.around.history, best)
    full = "\n".join([*lines, f"- {loss}"] if loss else lines)
    return Section("standing", "Where the campaign stands", (full, "\n".join(lines)))


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


def lessons(view: View) -> Section:
    """Return what the model has learnt."""
    return Section("lessons", "Your lessons so far", (*_cuts(view.lessons, (1_000,)), ""))


def best_few(view: View) -> Section:
    """Return the keeps that gained most."""
    gains = _gains(view.experiments)
    ranked = sorted(gains, key=lambda number: gains[number], reverse=True)[:5]
    lines = [
        f"- experiment {kept.number}: {gains[kept.number]:.6f} lower than the best before it "
        f"({_short(kept.proposal.idea)}){_scored(kept)}"
        for kept in map(view.experiment, ranked)
    ]
    versions = tuple("\n".join(lines[:count]) for count in (5, 3, 0))
    return Section("best", "The largest gains so far", versions)


def last(brief: Brief) -> Section:
    """Return the experiments most recently tried; of the very last what it printed, too."""
    view, history = brief.view, brief.around.history
    title = "The last experiments, oldest first"
    lines = [_tried(experiment, view) for experiment in view.experiments[1:]]
    if not lines:
        return Section("last", title, ("",))
    latest = view.experiments[-1]
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
    return Section("plateau", "A plateau", (text if since >= PLATEAU else "",))


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


def _tried(experiment: Experiment, view: View) -> str:
    proposal, mended = experiment.proposal, len(experiment.proposal.attempts)
    repairs = f", a bug mended {mended}x" if mended else ""
    line = (
        f"- experiment {experiment.number} ({proposal.researcher}, from {proposal.parent}): "
        f"{_verdict(experiment, view)}{_scored(experiment)}{repairs}. {_short(proposal.idea)}"
    )
    if experiment.verdict in (Verdict.CRASH, Verdict.DISTURBED) and experiment.detail:
        return f"{line}\n{quote(both_ends(experiment.detail, DETAIL_LENGTH), DETAIL_LENGTH)}"
    return line


def _verdict(experiment: Experiment, view: View) -> str:
    if experiment.verdict is not Verdict.DISTURBED:
        return f"{experiment.verdict}, {experiment.reason}"
    next_ = fate(experiment, view.experiments, view.running)
    return f"not judged, since {_NOT_JUDGED[experiment.reason]}; {next_} by the program"


def _scored(experiment: Experiment) -> str:
    """Return an experiment's score, and how fast it trained for that; empty if it has none."""
    if experiment.score is None:
        return ""
    score = with_error(experiment.score, experiment.error)
    return f", {findings.metric_of(experiment)} {score}{_at_speed(experiment)}"


def _at_speed(experiment: Experiment) -> str:
    words = speed_by_run(experiment.runs)
    return f", {words}" if words else ""


def _gains(experiments: Sequence[Experiment]) -> dict[int, float]:
    """Return how much each keep after the baseline lowered the best, by its number."""
    gains: dict[int, float] = {}
    best: float | None = None
    for experiment in experiments:
        if experiment.kept and experiment.score is not None:
            if best is not None and experiment.score < best:
                gains[experiment.number] = best - experiment.score
            best = experiment.score
    return gains


def _counts(experiments: Sequence[Experiment]) -> str:
    verdicts = [experiment.verdict for experiment in experiments[1:]]
    return ", ".join(
        f"{verdicts.count(verdict)} {verdict}"
        for verdict in Verdict
        if verdict is not Verdict.DISTURBED or verdict in verdicts
    )


def _short(idea: str) -> str:
    return one_line(idea, IDEA_LENGTH)


def _cuts(text: str, lengths: Sequence[int]) -> tuple[str, ...]:
    """Return the text, and shorter beginnings of it."""
    shorter = (f"{text[:n]}\n[... cut]" if len(text) > n else text for n in lengths)
    return (text, *shorter)
