"""Commit messages of an experiment: idea, hypothesis, trailers."""

import re
from collections.abc import Mapping

from autoresearch_kit.records import Approval, Experiment
from autoresearch_kit.records.proposals import HYPOTHESIS_LENGTH, IDEA_LENGTH
from autoresearch_kit.records.text import one_line, rounded

_TRAILER_LENGTH = 200


def code_message(experiment: Experiment) -> str:
    """Return the message of the commit that changes the notebook."""
    proposal = experiment.proposal
    idea = _prose(proposal.idea, IDEA_LENGTH) or f"Experiment {experiment.number}"
    return _message(idea, _prose(proposal.hypothesis, HYPOTHESIS_LENGTH), _trailers(experiment))


def record_message(experiment: Experiment) -> str:
    """Return the message of the commit on top of it, with the record and the run's files."""
    subject = f"Record {experiment.tag} {experiment.number:04d}: {experiment.verdict}"
    return _message(subject, _prose(experiment.detail, HYPOTHESIS_LENGTH), _trailers(experiment))


def approval_message(experiment: Experiment, approval: Approval) -> str:
    """Return the message of the commit that says whether a keep may be built on."""
    word = "Approve" if approval.approved else "Reject"
    subject = f"{word} {experiment.tag} {experiment.number:04d}"
    answer = {"Experiment": str(experiment.number), "Tag": experiment.tag}
    return _message(subject, _prose(approval.note, HYPOTHESIS_LENGTH), answer)


def _prose(text: str, length: int) -> str:
    line = one_line(text, length)
    # git takes a line that starts with '#' for a comment, and '---' for the end of the message
    return f" {line}" if line.startswith(("#", "---")) else line


def _trailers(experiment: Experiment) -> Mapping[str, str]:
    proposal = experiment.proposal
    parent = "" if proposal.parent is None else str(proposal.parent)
    retry_of = "" if proposal.retry_of is None else str(proposal.retry_of)
    score = "" if experiment.score is None else rounded(experiment.score)
    words = experiment.metric.replace("_", "-")
    metric = re.sub("[\u00b5\u03bc]", "u", words).capitalize()  # ASCII, as git asks
    error = "" if experiment.error is None else rounded(experiment.error)
    trained = sum(run.train_seconds for run in experiment.all_runs)
    idea = {
        "Experiment": str(experiment.number),
        "Tag": experiment.tag,
        "Parent": parent,
        "Retry-of": retry_of,
        "Status": experiment.verdict.value,
        "Reason": experiment.reason.value,
    }
    work = {
        "Researcher": proposal.researcher,
        "Model": proposal.model,
        "Program": proposal.directive,
        "Category": proposal.category,
        "Train-seconds": f"{trained:.1f}",
        "Kit-version": experiment.kit_version,
    }
    if metric in {*idea, *work}:
        metric = f"{metric}-measured"
    return {**idea, metric: score, f"{metric}-error": error, **work}


def _message(subject: str, body: str, trailers: Mapping[str, str]) -> str:
    values = {name: one_line(value, _TRAILER_LENGTH) for name, value in trailers.items()}
    block = "\n".join(f"{name}: {value}" for name, value in values.items() if value)
    return "\n\n".join(part for part in (subject, body, block) if part) + "\n"
