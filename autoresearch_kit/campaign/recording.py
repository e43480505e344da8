"""An experiment as git keeps it: made of its outcome, and recorded with its files."""

import shutil
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import autoresearch_kit
from autoresearch_kit.campaign.aims import bounds_in
from autoresearch_kit.campaign.outcome import Outcome
from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.judge.scoring import MEASURED_FILE
from autoresearch_kit.files.untrusted import read_if_plain
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import (
    Bound,
    Experiment,
    Measured,
    Passed,
    Reason,
    Run,
    Stage,
    Verdict,
)
from autoresearch_kit.tasks.measured.layout import DIRECTIVE_FILE, MEASURE_NOTEBOOK

KIT_FAILURES = 3
"""Experiments in a row that the kit fails before the campaign takes it for the machine's fault."""


NOT_MEASURED_FOLDER = "not-measured"
"""In the campaign's folder: a folder for each experiment that was not measured, by its number."""


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def record(
    parts: Parts, outcome: Outcome, started: str, spared: Collection[str] = ()
) -> Experiment:
    """Give the experiment to git; from then on it exists, and its runs are removed.

    With it go runs by which slots were checked, of the best that it was held against, and the
    program.md that it was proposed under. Folders whose names are in `spared` stay.

    Raises:
        KitError: the baseline crashed, or the machine disturbed it, so there is nothing to compare
            experiments with.
    """
    parts.heartbeat.stage(Stage.RECORDING)
    checks, aside = _unasked(parts.workspace, outcome)
    experiment = _describe(parts, outcome, started, checks, aside)
    if experiment.number == 0 and not experiment.kept:
        raise _no_baseline(parts.workspace, experiment, outcome)
    files = files_of(parts.workspace, outcome, checks, aside) if outcome.own else {}
    _keep_failed_measurement(parts.workspace, outcome)
    if directive := parts.workspace.directive(experiment.proposal.directive):
        files[DIRECTIVE_FILE] = directive
    parts.history.append(experiment, outcome.notebook.text(), files)
    parts.workspace.under_way.forget(experiment.number, spared)
    if outcome.against is not None:
        parts.workspace.under_way.forget(outcome.against)
    return experiment


def _keep_failed_measurement(workspace: Workspace, outcome: Outcome) -> None:
    """Keep the executed measuring notebook of a run that was not measured, which is removed soon.

    What it says is told nobody else, nor is it for git: it may quote hidden data.
    """
    for measured in outcome.counting():
        executed = workspace.runs / measured.folder / MEASURED_FILE
        if measured.run.failure is Reason.NOT_MEASURED and executed.exists():
            folder = workspace.folder / NOT_MEASURED_FOLDER / f"{measured.number:04d}"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(executed, folder / MEASURED_FILE)


def files_of(
    workspace: Workspace,
    outcome: Outcome,
    checks: Sequence[Measured] = (),
    aside: Sequence[Measured] = (),
) -> dict[str, bytes]:
    """Return what git keeps of the runs: their notebooks, and the loss curve of the idea's first.

    A loss curve that is too long, or no plain file, is left out.
    """
    kinds = {
        "run": outcome.counting(),
        "rerun": [*outcome.best_counting(), *checks],
        "set-aside": [*outcome.set_aside(), *aside],
    }
    for merge, passed in enumerate(outcome.passed, start=1):
        runs = [*passed.counting(), *passed.best_counting(), *passed.set_aside()]
        kinds[f"before-merge-{merge}"] = runs
    files, folders = {}, list[Path]()
    for kind, runs in kinds.items():
        for index, measured in enumerate(runs, start=1):
            folders.append(workspace.runs / measured.folder)
            executed = folders[-1] / handover.EXECUTED_FILE
            files[handover.recorded_file(kind, index)] = executed.read_bytes()
    metrics = folders[0] / handover.WORK_FOLDER / handover.METRICS_FILE
    if lines := read_if_plain(metrics, handover.METRICS_BYTES):
        files[handover.METRICS_FILE] = lines
    return files


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


def _describe(
    parts: Parts,
    outcome: Outcome,
    started: str,
    checks: Sequence[Measured],
    aside: Sequence[Measured],
) -> Experiment:
    context, decision, notebook = parts.context, outcome.decision, outcome.notebook
    number = outcome.proposal.number
    return Experiment(
        tag=parts.workspace.tag,
        proposal=outcome.proposal,
        verdict=decision.verdict,
        reason=decision.reason,
        detail=decision.detail,
        runs=_runs(outcome.counting()),
        nodes=notebook.nodes(),
        constants=notebook.constants(),
        structure=notebook.structure(),
        fingerprint=context.fingerprint,
        leak=context.leak,
        settings=context.settings,
        kit_version=autoresearch_kit.__version__,
        started=started,
        finished=now(),
        usage=parts.meter.spent_on(number),
        noise=outcome.noise,
        reruns=_runs([*outcome.best_counting(), *checks]),
        set_aside=_runs([*outcome.set_aside(), *aside]),
        probes=parts.probing.made_for(number),
        profiled=outcome.profiled,
        gain=decision.gain,
        against=outcome.against,
        passed=tuple(map(_passed, outcome.passed)),
        bounds=_bounds(parts, outcome),
    )


def _bounds(parts: Parts, outcome: Outcome) -> tuple[Bound, ...]:
    """Return the bounds that the idea was judged by, or else the bounds in force."""
    if outcome.bounds is not None:
        return outcome.bounds
    task = parts.context.settings.task
    return bounds_in(parts.workspace, parts.history.experiments(), task).bounds


def _passed(outcome: Outcome) -> Passed:
    """Return what is recorded of an outcome before its code was merged onto another best."""
    if outcome.against is None:
        raise ValueError("the baseline is not merged")
    return Passed(
        outcome.against,
        outcome.proposal.edits,
        outcome.proposal.constants,
        _runs(outcome.counting()),
        _runs(outcome.best_counting()),
        _runs(outcome.set_aside()),
        outcome.decision.detail,
        outcome.decision.gain,
    )


def _unasked(workspace: Workspace, outcome: Outcome) -> tuple[list[Measured], list[Measured]]:
    """Return runs that are over and that the verdict does not rest on.

    The first are re-runs of the best that it was held against, by which slots were checked. The
    others don't count: those of slots unlike the others, and those with seeds that were given up.
    """
    checks = () if outcome.against is None else workspace.under_way.measured(outcome.against)
    every = [
        measured
        for part in (outcome, *outcome.passed)
        for measured in (*part.counting(), *part.best_counting(), *part.set_aside())
    ]
    known = {measured.folder for measured in every}
    repaired = [attempt.run for attempt in outcome.proposal.attempts]
    given_up = [
        measured
        for measured in workspace.under_way.measured(outcome.proposal.number)
        if measured.folder not in known
        and measured.run not in repaired
        and (workspace.runs / measured.folder).is_dir()
    ]
    unlike = [check for check in checks if check.disturbed]
    return [check for check in checks if not check.disturbed], [*unlike, *given_up]


def _runs(measured: Sequence[Measured]) -> tuple[Run, ...]:
    return tuple(each.run for each in measured)


def _no_baseline(workspace: Workspace, experiment: Experiment, outcome: Outcome) -> KitError:
    """Forget the runs that are to be made again at the next start; return why it can't go on."""
    if experiment.verdict is Verdict.DISTURBED:
        workspace.under_way.forget_runs(0, outcome.disturbed_folders())
        return KitError(
            f"the baseline can't be measured here: {experiment.detail}. Run again when the machine "
            f"is quiet; or have every run judged, whatever else the machine does: "
            f"autoresearch run {experiment.tag} --max-elsewhere 1"
        )
    workspace.under_way.forget_runs(0, [run.folder for run in workspace.under_way.measured(0)])
    folder, task = workspace.runs / outcome.own[-1].chosen.folder, experiment.settings.task
    executed, mend = folder / handover.EXECUTED_FILE, experiment.settings.notebook
    if experiment.reason in (Reason.NOT_MEASURED, Reason.CHECKS_FAILED):
        mend = f"what measures in {task.folder}"
        if (measured := folder / MEASURED_FILE).exists():
            executed = measured
            mend = str(Path(experiment.settings.notebook).with_name(MEASURE_NOTEBOOK))
    anew = (
        f" (after a change of metrics, objectives, bounds or budget: autoresearch delete "
        f"{workspace.tag}, and begin anew)"
    )
    return KitError(
        f"the baseline crashed ({experiment.reason}: {experiment.detail}); mend {mend} and run "
        f"again{anew if task.folder else ''}. Its output: {executed}"
    )
