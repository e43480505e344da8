"""An experiment in words: a line in a terminal, and rows with all that there is to say of it."""

from collections.abc import Mapping, Sequence

from autoresearch_kit.records import (
    Bound,
    CacheUse,
    Experiment,
    Proposal,
    Provenance,
    Run,
    Score,
    Task,
    other_values,
    speed,
    values_of,
)
from autoresearch_kit.records.text import rounded, with_error
from autoresearch_kit.verdicts.estimates import Estimate

TRUSTED = "trusted: loaded beside the hidden data"
UNTRUSTED = "by what it answered, loaded apart from the hidden data"

CLAIMED = "parameters as claimed: counted beside the submission's code"


def marks(task: Task) -> str:
    """Return what a task's numbers must be marked with; empty where the kit vouches for all."""
    trusted, claimed = task.trusted, "parameters" in task.decisive
    return "   ·   ".join([TRUSTED] * trusted + [CLAIMED] * claimed)


def experiment_line(experiment: Experiment, known: Estimate | None) -> str:
    """Return one line, with the score known by now, or the score of its own runs."""
    score = str(known or _score(experiment))
    others = other_values(experiment.settings.task, experiment.runs).removeprefix(", ")
    others = f"{others}  " if others else ""
    count = known.scores if known else len(experiment.scores)
    runs = f"{count} runs" if count > 1 else ""
    verdict = f"{experiment.verdict} ({experiment.reason})" + approval_note(experiment)
    proposal = experiment.proposal
    again = "" if proposal.retry_of is None else f" (again: {proposal.retry_of})"
    return (
        f"{experiment.number:4d}  {score:17s} {runs:>7s}  {speed(experiment.runs):27s}  "
        f"{verdict:22s}  {others}{proposal.idea}{again}"
    )


def experiment_rows(experiment: Experiment, known: Estimate | None = None) -> list[tuple[str, str]]:
    """Return the facts of an experiment as pairs of name and text; empty ones are left out.

    `known` is its score by now, which runs that later experiments asked for may have changed.
    """
    runs, proposal, task = experiment.runs, experiment.proposal, experiment.settings.task
    again, profiled = proposal.retry_of, experiment.profiled
    more = known is not None and known.scores > len(experiment.scores)
    profile = str((profiled and profiled.steps) or "none: the log says why")
    said = [
        ("experiment", f"{experiment.number}{_origin(experiment)}"),
        ("proposed by", proposal.researcher),
        ("idea", proposal.idea),
        ("hypothesis", proposal.hypothesis),
        ("tries again", "" if again is None else f"experiment {again}, disturbed"),
        ("verdict", f"{experiment.verdict}: {experiment.reason}. {experiment.detail}"),
        ("approval", approval_note(experiment, full=True).removeprefix(", ")),
        (experiment.metric or "score", _score(experiment)),
        ("bounds", _bounds(experiment)),
        ("measured", "; ".join(f"{name} {value:.5g}" for name, value in values_of(runs).items())),
        ("runs", "; ".join(map(str, runs)) or "none"),
        ("slots", _slots(experiment)),
        ("mended", _mended(proposal)),
        ("scored", next((how_scored(run.score) for run in runs if run.score), "never")),
        ("compile cache", _caches(runs)),
        ("sandbox", str(experiment.sandbox or "never ran")),
        ("hidden data" if task.folder else "scored text", str(experiment.leak or "")),
        ("reruns", _all(experiment.reruns, "of the best: ")),
        ("set aside", _all(experiment.set_aside, "not judged, since the machine was busy: ")),
        ("probes", _all(experiment.probes)),
        ("by now", f"{known}, the mean of {known.scores} runs" if known and more else ""),
        ("model", proposal.model),
        ("cost", str(experiment.usage) if experiment.usage.requests else ""),
        ("guidance", proposal.guidance),
        ("program.md", proposal.directive),
        *provenance_rows(proposal.provenance),
        ("lessons", proposal.lessons),
        ("profile", f"{profile} (in {profiled.run.wall_seconds:.1f} s)" if profiled else ""),
    ]
    return [(name, words) for name, words in said if words]


def _caches(runs: Sequence[Run]) -> str:
    used = any(run.cache != CacheUse() for run in runs)
    return "; ".join(str(run.cache) for run in runs) if used else ""


def _origin(experiment: Experiment) -> str:
    parent, against = experiment.proposal.parent, experiment.against
    made_from = "" if parent is None else f", from {parent}"
    return made_from + ("" if against in (None, parent) else f", held against {against}")


def _slots(experiment: Experiment) -> str:
    """Return the names of the slots that ran it, if it was more than one."""
    slots = {run.slot for run in (*experiment.all_runs, *experiment.probes) if run.slot}
    return ", ".join(sorted(slots)) if len(slots) > 1 else ""


def _mended(proposal: Proposal) -> str:
    """Return the crashes that were mended, with what the idea was then."""
    return "; ".join(
        f"{each.run.failure}: {each.run.detail} ({each.run.trained} in "
        f"{each.run.wall_seconds:.1f} s)"
        + (f", as '{each.idea}'" if each.idea not in ("", proposal.idea) else "")
        for each in proposal.attempts
    )


def approval_note(experiment: Experiment, *, full: bool = False) -> str:
    """Return `, waits for approval`, or what was answered, `full` with who did and when."""
    if experiment.waits:
        return ", waits for approval"
    if (answer := experiment.approval) is None:
        return ""
    return f", {answer}" if full else f", {'approved' if answer.approved else 'rejected'}"


def provenance_rows(provenance: Provenance | None) -> list[tuple[str, str]]:
    """Return how a model's proposal was made, as names and words."""
    if provenance is None:
        return []
    return [
        ("asked at", provenance.endpoint),
        ("prompts", ", ".join(f"sha256 {digest}" for digest in provenance.prompts)),
        ("tool calls", ", ".join(provenance.tools)),
        ("submitted", provenance.at),
    ]


def how_scored(score: Score) -> str:
    """Return in which precision a score was measured; of a task that is a folder, by whom."""
    if not score.bytes:
        return TRUSTED if score.trusted else UNTRUSTED
    words = f"predicted in {score.precision}"
    if score.rounding is not None:
        words += f"; half precision is {score.rounding:+.1g} off float32"
    return f"{words}; logits stayed on the GPU" if score.on_device else words


def _bounds(experiment: Experiment) -> str:
    """Return each bound, and whether the means over an experiment's runs hold it."""
    values = values_of(experiment.runs)
    if experiment.score is not None:
        values[experiment.metric] = experiment.score
    return bounds_in_words(experiment.settings.task.bounds, values)


def bounds_in_words(bounds: Sequence[Bound], values: Mapping[str, float]) -> str:
    """Return whether values are within bounds, as `a <= 1: held (0.31)`; empty without bounds."""
    return "; ".join(f"{bound}: {_held(bound, values.get(bound.metric))}" for bound in bounds)


def _held(bound: Bound, value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{'held' if bound.holds(value) else 'broken'} ({rounded(value)})"


def _score(experiment: Experiment) -> str:
    return "-" if experiment.score is None else with_error(experiment.score, experiment.error)


def _all(runs: tuple[Run, ...], why: str = "") -> str:
    words = (f"{run}, crashed: {run.failure}" if run.failure else str(run) for run in runs)
    return f"{why}{'; '.join(words)}" if runs else ""
