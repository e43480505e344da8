"""An experiment as git keeps it: described from its outcome, and recorded."""

from collections.abc import Sequence
from datetime import UTC, datetime

import autoresearch_kit
from autoresearch_kit.campaign.experiment import Outcome
from autoresearch_kit.campaign.measuring import Measuring
from autoresearch_kit.errors import KitError
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Experiment, Profiled, Reason, Run, Usage, Verdict

KIT_FAILURES = 3
"""Experiments in a row that the kit fails before the campaign takes it for the machine's fault."""


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe(
    measuring: Measuring,
    outcome: Outcome,
    *,
    started: str,
    usage: Usage,
    probes: tuple[Run, ...],
    profiled: Profiled | None,
) -> Experiment:
    """Return the record of an experiment that is decided."""
    context, decision, notebook = measuring.context, outcome.decision, outcome.notebook
    return Experiment(
        tag=measuring.workspace.tag,
        proposal=outcome.proposal,
        verdict=decision.verdict,
        reason=decision.reason,
        detail=decision.detail,
        runs=outcome.runs,
        nodes=notebook.nodes(),
        constants=notebook.constants(),
        structure=notebook.structure(),
        fingerprint=context.fingerprint,
        leak=context.leak,
        settings=context.settings,
        kit_version=autoresearch_kit.__version__,
        started=started,
        finished=now(),
        usage=usage,
        noise=outcome.noise,
        reruns=outcome.reruns,
        set_aside=outcome.set_aside,
        probes=probes,
        profiled=profiled,
        gain=decision.gain,
        against=outcome.against,
    )


def record(
    measuring: Measuring,
    history: History,
    experiment: Experiment,
    outcome: Outcome,
) -> None:
    """Give the experiment to git; from then on it exists. A baseline must have a score.

    Raises:
        KitError: the baseline crashed, or the machine disturbed it, so there is nothing to compare
            experiments with.
    """
    workspace = measuring.workspace
    if experiment.number == 0 and experiment.verdict is Verdict.DISTURBED:
        workspace.drop_measured(experiment.number, outcome.disturbed_folders)
        raise KitError(
            f"the baseline can't be measured here: {experiment.detail}. Run again when the machine "
            f"is quiet; or have every run judged, whatever else the machine does: "
            f"autoresearch run {experiment.tag} --max-elsewhere 1"
        )
    if experiment.number == 0 and not experiment.kept:
        executed = measuring.executed(outcome.own[-1].counts)
        workspace.forget_measured(experiment.number)
        raise KitError(
            f"the baseline crashed ({experiment.reason}: {experiment.detail}); mend "
            f"{experiment.settings.notebook} and run again. Its output: {executed}"
        )
    files = measuring.files(outcome.named()) if outcome.own else {}
    history.append(experiment, outcome.notebook.text(), files)
    workspace.forget(experiment.number)


def check_kit_works(experiments: Sequence[Experiment]) -> None:
    """Check that the kit did not fail all of the last of these experiments.

    Raises:
        KitError: it failed `KIT_FAILURES` in a row.
    """
    last = experiments[-KIT_FAILURES:]
    if len(last) == KIT_FAILURES and all(each.reason is Reason.KIT_FAILED for each in last):
        raise KitError(
            f"the last {KIT_FAILURES} experiments could not be run, which is unlikely to be the "
            f"edits' fault: {last[-1].detail}"
        )
