"""The experiments that a prompt lists: those under way, the best few, the last."""

from itertools import pairwise

from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    Experiment,
    Proposal,
    Reason,
    Verdict,
    judged_since,
    other_values,
    speed_by_run,
)
from autoresearch_kit.records.proposals import IDEA_LENGTH
from autoresearch_kit.records.text import both_ends, one_line, rounded, with_error
from autoresearch_kit.researchers.base import View
from autoresearch_kit.researchers.llm import findings
from autoresearch_kit.researchers.llm.findings import quote
from autoresearch_kit.researchers.llm.prompt_budget import Section
from autoresearch_kit.verdicts.retries import retry_in_words

CHANGE_DIRECTION_AFTER = 6
"""Experiments without a keep after which the prompt asks for a change of direction."""

DETAIL_LENGTH = 200
CHANGED_LENGTH = 300  # characters of what an experiment changes, by the names of what it changes

LAST_DETAILS = ((20, 600, 1_500), (10, 200, 600))
"""The number of last experiments that are listed, and the characters of what the very last printed
and of its error: at first, and shortened."""

LAST_FEWEST = (5, 3)
"""The numbers that are listed once nothing of what the last printed is shown any more."""

_NOT_JUDGED = {
    Reason.MACHINE_BUSY: "the machine was busy, which says nothing of the idea",
    Reason.FEWER_STEPS: "its runs under different seeds made very different numbers of steps",
}


def in_flight(view: View) -> Section:
    """Return what runs now and what is prepared: the ideas, and what each changes."""
    if not view.in_flight:
        return Section("in flight", "", ("",))
    ideas = [
        f"- {'running now' if proposal in view.running else 'prepared, to run next'}: "
        f"experiment {proposal.number}, from {proposal.parent} ({in_short(proposal.idea)})"
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
        f"({in_short(kept.proposal.idea)}){_scored(kept)}"
        for gain, kept in ranked
        if gain > 0  # a keep for less code may score a little worse
    ]
    versions = tuple("\n".join(lines[:count]) for count in (5, 3, 0))
    return Section("best", "The largest gains so far", versions)


def last(view: View, history: History) -> Section:
    """Return the experiments most recently tried; of the very last what it printed, too."""
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


def _tried(experiment: Experiment, view: View) -> str:
    proposal, mended = experiment.proposal, len(experiment.proposal.attempts)
    verdict = f"{experiment.verdict}, {experiment.reason}"
    if experiment.verdict is Verdict.DISTURBED:
        later = retry_in_words(experiment, view.experiments, view.running)
        verdict = f"not judged, since {_NOT_JUDGED[experiment.reason]}; {later} by the program"
    repairs = f", a bug mended {mended}x" if mended else ""
    line = (
        f"- experiment {experiment.number} ({proposal.researcher}, from {proposal.parent}): "
        f"{verdict}{_scored(experiment)}{repairs}. {in_short(proposal.idea)}"
    )
    if experiment.verdict in (Verdict.CRASH, Verdict.DISTURBED) and experiment.detail:
        return f"{line}\n{quote(both_ends(experiment.detail, DETAIL_LENGTH), DETAIL_LENGTH)}"
    return line


def _changed(proposal: Proposal) -> str:
    """Return what a proposal changes, in short; empty for nothing."""
    constants = [f"{name} = {value!r}" for name, value in proposal.constants.items()]
    changes = [*constants, *(f"{edit.action} {edit.cell}" for edit in proposal.edits)]
    return f": {one_line(', '.join(changes), CHANGED_LENGTH)}" if changes else ""


def _scored(experiment: Experiment) -> str:
    """Return an experiment's score, and how fast it trained for that; empty if it has none."""
    if experiment.score is None:
        return ""
    score = with_error(experiment.score, experiment.error)
    others = other_values(experiment.settings.task, experiment.runs)
    return f", {findings.metric_of(experiment)} {score}{others}{at_speed(experiment)}"


def at_speed(experiment: Experiment) -> str:
    """Return how fast its runs trained, to follow other words; empty if none did."""
    words = speed_by_run(experiment.runs)
    return f", {words}" if words else ""


def in_short(idea: str) -> str:
    """Return an idea in one line of bounded length."""
    return one_line(idea, IDEA_LENGTH)
