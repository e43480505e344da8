"""What the command line and the panel say of an experiment, as names and words."""

from collections.abc import Sequence

from autoresearch_kit.records import Experiment
from autoresearch_kit.verdicts.estimates import estimates


def experiment_rows(
    experiments: Sequence[Experiment], experiment: Experiment
) -> list[tuple[str, str]]:
    """Return what there is to say of one of these experiments.

    Its score may have changed since its verdict, by runs that later experiments asked for.
    """
    known = estimates(experiments).get(experiment.number)
    proposal, usage = experiment.proposal, experiment.usage
    by_now = ""
    if known is not None and known.scores > len(experiment.scores):
        by_now = f"{known}, the mean of {known.scores} runs"
    optional = [
        ("by now", by_now),
        ("model", proposal.model),
        ("cost", str(usage) if usage.requests else ""),
        ("guidance", proposal.guidance),
        ("program.md", proposal.directive),
        ("lessons", proposal.lessons),
    ]
    origin = "" if proposal.parent is None else f", from {proposal.parent}"
    return [
        ("experiment", f"{experiment.number}{origin}"),
        ("proposed by", proposal.researcher),
        *experiment.rows(),
        *((name, words) for name, words in optional if words),
    ]
