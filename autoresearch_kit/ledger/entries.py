"""Experiments and people's answers about keeps, as they stand in a campaign's commits."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.ledger import refs
from autoresearch_kit.ledger.git import Git, Object
from autoresearch_kit.records import Approval, Experiment, best_of, codec
from autoresearch_kit.records.proposals import HYPOTHESIS_LENGTH, IDEA_LENGTH
from autoresearch_kit.records.text import one_line, rounded

RECORD = "record.json"

APPROVAL = "approval.json"

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


@dataclass(frozen=True)
class Entry:
    """An experiment and its commits, by their full names; the last is of a person's answer."""

    experiment: Experiment
    code_commit: str
    record_commit: str
    approval_commit: str | None = None


def read_entries(git: Git, tag: str, numbers: Sequence[int]) -> dict[int, Entry]:
    """Return these experiments by number, as they were recorded, before anybody answered.

    Raises:
        LedgerError: a ref is not the record of an experiment.
    """
    if not numbers:
        return {}
    names = [refs.experiment_ref(tag, number) for number in numbers]
    paths = [refs.experiment_file(tag, number, RECORD) for number in numbers]
    records = [f"{name}:{path}" for name, path in zip(names, paths, strict=True)]
    objects, count = git.objects([*names, *records]), len(numbers)
    return {n: _entry(names[at], *objects[at::count]) for at, n in enumerate(numbers)}


def read_answers(git: Git, tag: str, numbers: Sequence[int]) -> dict[int, tuple[str, Approval]]:
    """Return the commits of these answers, and what they say, by number."""
    if not numbers:
        return {}
    names = [refs.approval_ref(tag, number) for number in numbers]
    paths = [refs.experiment_file(tag, number, APPROVAL) for number in numbers]
    texts = [f"{name}:{path}" for name, path in zip(names, paths, strict=True)]
    parents = [f"{name}^" for name in names]
    own = [refs.experiment_ref(tag, number) for number in numbers]
    objects = git.objects([*names, *texts, *parents, *own])
    count, answers = len(numbers), dict[int, tuple[str, Approval]]()
    for at, number in enumerate(numbers):
        commit, text, parent, record = objects[at::count]
        if commit is None or text is None or parent is None or parent != record:
            raise _no_answer(names[at])
        try:
            answers[number] = commit.name, codec.decode(Approval, text.content)
        except InputError as error:
            raise _no_answer(names[at]) from error
    return answers


def why_no_answer(experiment: Experiment) -> str:
    """Return why it can't be said of an experiment whether it may be built on."""
    what = f"experiment {experiment.number} of '{experiment.tag}'"
    if experiment.approval is not None:
        return f"{what} was {experiment.approval}; an answer is never changed"
    if not experiment.settings.approve:
        return f"'{experiment.tag}' was started without --approve: its keeps wait for nobody"
    if experiment.number == 0:
        return f"{what} is the baseline, which waits for nobody"
    return f"{what} is no keep ({experiment.verdict}: {experiment.reason}), so it does not wait"


def by_number(
    found: Mapping[str, str], parse: Callable[[str], tuple[str, int] | None]
) -> dict[int, str]:
    """Return the commits of those refs that `parse` knows, by the experiment's number."""
    parsed = ((parse(ref), commit) for ref, commit in found.items())
    return {ref[1]: commit for ref, commit in parsed if ref}


def best_entry(entries: Sequence[Entry]) -> Entry | None:
    """Return the kept experiment that no other has replaced, or None before the baseline."""
    best = best_of([entry.experiment for entry in entries])
    return next((entry for entry in entries if entry.experiment is best), None)


def code_commits(entries: Sequence[Entry]) -> set[str]:
    """Return the names of the code commits of these experiments."""
    return {entry.code_commit for entry in entries}


def _entry(ref: str, commit: Object | None, record: Object | None) -> Entry:
    headers = commit.content.partition(b"\n\n")[0].decode(errors="replace") if commit else ""
    lines = headers.splitlines()
    parents = [line.removeprefix("parent ") for line in lines if line.startswith("parent ")]
    if commit is None or record is None or len(parents) != 1:
        raise LedgerError(
            f"{ref} is not the record of an experiment of this campaign; look at it: git show {ref}"
        )
    try:
        return Entry(codec.decode(Experiment, record.content), parents[0], commit.name)
    except InputError as error:
        raise LedgerError(f"the {RECORD} of {ref} can't be read: {error}") from error


def _no_answer(ref: str) -> LedgerError:
    return LedgerError(
        f"{ref} is no answer about that experiment of this campaign; look at it: git show {ref}; "
        f"remove it: git update-ref -d {ref}"
    )
