"""The parts of a prompt, each in versions from the full one to the shortest."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_kit.ledger import History
from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.contract import CONFIG
from autoresearch_kit.notebook.train_notebook import TrainNotebook
from autoresearch_kit.records import (
    DatasetInfo,
    Experiment,
    Machine,
    Reason,
    Settings,
    Verdict,
    judged_since,
    latest_noise,
    profiled_before,
    speed_by_run,
    steps_apart,
)
from autoresearch_kit.records.digits import with_error
from autoresearch_kit.records.text import both_ends, one_line
from autoresearch_kit.researchers.base import View
from autoresearch_kit.researchers.llm import findings
from autoresearch_kit.researchers.llm.curve import curve
from autoresearch_kit.researchers.llm.probes import step_lines
from autoresearch_kit.researchers.llm.quoting import quote
from autoresearch_kit.verdicts.estimates import estimates
from autoresearch_kit.verdicts.retries import fate

PLATEAU = 6
"""Experiments without a keep after which the prompt asks for a change of direction."""

PROFILE = "Where the time of a step of the best goes"
IDEA_LENGTH = 120

_NOT_JUDGED = {
    Reason.MACHINE_BUSY: "the machine was busy, which says nothing of the idea",
    Reason.FEWER_STEPS: "its runs under different seeds made very different numbers of steps",
}
DETAIL_LENGTH = 200

ROOMS = (findings.Room(600, 1_500), findings.Room(200, 600))
"""For what the last experiment said: at first, and shortened."""

LAST = "The last experiments, oldest first"


@dataclass(frozen=True)
class Brief:
    """What a prompt says beside the history; `directive` is the text of program.md."""

    machine: Machine
    dataset: DatasetInfo
    settings: Settings
    directive: str


@dataclass(frozen=True)
class Section:
    """A part of a prompt. An empty version leaves it out, its title too."""

    name: str
    title: str
    versions: tuple[str, ...]


def directive(brief: Brief) -> Section:
    """What the human wrote into program.md."""
    text = brief.directive.strip()
    versions = (
        f"<program>\n{cut}\n</program>" if cut else "" for cut in _cuts(text, (8_000, 2_000))
    )
    return Section("directive", "The human's directive, program.md", tuple(versions))


def guidance(view: View) -> Section:
    """What the human says by `guide`."""
    return Section("guidance", "What the human says now", _cuts(view.guidance.strip(), (2_000,)))


def standing(view: View, history: History) -> Section:
    """The best and its numbers, and the loss curve of its run."""
    best, first = view.experiments[view.best], view.experiments[0]
    known = estimates(view.experiments)
    lines = [
        f"- best: experiment {best.number}, val_bpb {known[best.number]}, {best.nodes:,} "
        f"syntax-tree nodes ({_one(best.proposal.idea)})",
        f"- baseline: val_bpb {known[0]}{_at_speed(first)}, {first.nodes:,} syntax-tree nodes",
        f"- tried after the baseline: {len(view.experiments) - 1}; {_counts(view.experiments)}",
    ]
    noise = latest_noise(view.experiments)
    if noise:
        lines.append(
            f"- noise: val_bpb of the same code differs by {noise.sigma:.6f} from seed to seed (one"
            " sigma); a gain below about three of these takes several runs to be seen"
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
            f"({_one(view.running.idea)}). Yours is the one after it, and builds on the best above"
        )
    drawn = curve(findings.metrics(history, best.number))
    full = "\n".join([*lines, f"- {drawn}"] if drawn else lines)
    return Section("standing", "Where the campaign stands", (full, "\n".join(lines)))


def profile(view: View) -> Section:
    """Where the time of a step goes in the best, or in a keep of the same structure before it."""
    best = view.experiments[view.best]
    found = profiled_before(view.experiments, best.structure)
    if found is None or found.profiled is None or found.profiled.steps is None:
        return Section("profile", PROFILE, ("",))
    times, *others = step_lines(found.profiled.steps)
    if found.number != best.number:
        times = f"of experiment {found.number}, the same code but for constants:\n{times}"
    return Section("profile", PROFILE, ("\n".join([times, *others]), times))


def lessons(view: View) -> Section:
    """What the model has learnt."""
    return Section("lessons", "Your lessons so far", (*_cuts(view.lessons, (1_000,)), ""))


def best_few(view: View) -> Section:
    """The keeps that gained most."""
    gains = _gains(view.experiments)
    ranked = sorted(gains, key=lambda one: gains[one], reverse=True)
    lines = [
        f"- experiment {number}: {gains[number]:.6f} bits per byte lower than the best before it "
        f"({_one(view.experiments[number].proposal.idea)}){_scored(view.experiments[number])}"
        for number in ranked
    ]
    return Section(
        "best", "The largest gains so far", tuple("\n".join(lines[:n]) for n in (5, 3, 0))
    )


def last(view: View, history: History) -> Section:
    """The experiments most recently tried, with what went wrong; of the last what it said, too."""
    lines = [_tried(one, view) for one in view.experiments[1:]]
    if not lines:
        return Section("last", LAST, ("",))
    one = view.experiments[-1]
    details = _last_details(one, history)
    ran = findings.executed(history, one)
    detailed, brief = ([*details, *findings.said(ran, room)] for room in ROOMS)
    versions = (
        "\n".join([*lines[-count:], *more])
        for count, more in ((20, detailed), (10, brief), (5, []), (3, []))
    )
    return Section("last", LAST, tuple(versions))


def _last_details(one: Experiment, history: History) -> list[str]:
    """Its runs and its training loss."""
    numbers = [*findings.run_lines(one), findings.loss_line(history, one)]
    return [f"  {line}" for line in numbers if line]


def plateau(view: View) -> Section:
    """What to do when nothing has helped for a while."""
    since = len(judged_since(view.experiments, view.experiments[view.best]))
    text = (
        f"The last {since} experiments gained nothing. Change direction: leave the neighbourhood "
        "of what was tried last, question an assumption that none of them touched, or simplify. "
        "Another small step on the same constants is not wanted."
    )
    return Section("plateau", "A plateau", (text if since >= PLATEAU else "",))


def notebook(found: TrainNotebook) -> Section:
    """The cells as they are in the best, so that none need be asked for."""
    cells = [cell for cell in found.cells if not cell.markdown]
    shown = "\n\n".join(_cell(cell) for cell in cells)
    config = "\n\n".join(_cell(cell) for cell in cells if cell.name == CONFIG)
    names = f"Cells: {', '.join(cell.name for cell in cells)}. Read them before you edit them."
    return Section("notebook", "The notebook", (shown, f"{names}\n\n{config}", names))


def _cell(cell: Cell) -> str:
    kind = "locked" if cell.locked else "editable"
    return f"```python cell={cell.name} ({kind})\n{cell.source}\n```"


def _tried(one: Experiment, view: View) -> str:
    mended = len(one.proposal.attempts)
    repairs = f", a bug mended {mended}x" if mended else ""
    line = (
        f"- experiment {one.number} ({one.proposal.researcher}, from {one.proposal.parent}): "
        f"{_verdict(one, view)}{_scored(one)}{repairs}. {_one(one.proposal.idea)}"
    )
    if one.verdict in (Verdict.CRASH, Verdict.DISTURBED) and one.detail:
        return f"{line}\n{quote(both_ends(one.detail, DETAIL_LENGTH), DETAIL_LENGTH)}"
    return line


def _verdict(one: Experiment, view: View) -> str:
    if one.verdict is not Verdict.DISTURBED:
        return f"{one.verdict}, {one.reason}"
    what = _NOT_JUDGED[one.reason]
    return f"not judged, since {what}; {fate(one, view.experiments, view.running)} by the program"


def _scored(one: Experiment) -> str:
    """Its score, and how fast it trained for that; empty if it has none."""
    if one.val_bpb is None:
        return ""
    return f", val_bpb {with_error(one.val_bpb, one.error)}{_at_speed(one)}"


def _at_speed(one: Experiment) -> str:
    words = speed_by_run(one.runs)
    return f", {words}" if words else ""


def _gains(experiments: Sequence[Experiment]) -> dict[int, float]:
    """How much each keep after the baseline lowered the best, by its number."""
    gains: dict[int, float] = {}
    best: float | None = None
    for one in experiments:
        if one.kept and one.val_bpb is not None:
            if best is not None and one.val_bpb < best:
                gains[one.number] = best - one.val_bpb
            best = one.val_bpb
    return gains


def _counts(experiments: Sequence[Experiment]) -> str:
    verdicts = [one.verdict for one in experiments[1:]]
    return ", ".join(
        f"{verdicts.count(verdict)} {verdict}"
        for verdict in Verdict
        if verdict is not Verdict.DISTURBED or verdict in verdicts
    )


def _one(idea: str) -> str:
    return one_line(idea, IDEA_LENGTH)


def _cuts(text: str, lengths: Sequence[int]) -> tuple[str, ...]:
    """The text, and shorter beginnings of it."""
    shorter = (f"{text[:n]}\n[... cut]" if len(text) > n else text for n in lengths)
    return (text, *shorter)
