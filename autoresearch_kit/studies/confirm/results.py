"""The results of a confirmation as they are written down and shown."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from autoresearch_kit.records import Bound, Experiment, Noise, Run, Task
from autoresearch_kit.records.text import with_error
from autoresearch_kit.reports.confirmation import Confirmation, Finding, KeepFound, Mean
from autoresearch_kit.studies.confirm.judging import REAL, Standing
from autoresearch_kit.studies.confirm.plan import Keep, Variant
from autoresearch_kit.verdicts.bounds import in_force
from autoresearch_kit.verdicts.runs_by_code import scores_by_code
from autoresearch_kit.verdicts.samples import Sample


def sum_up(standing: Standing, experiments: Sequence[Experiment]) -> Confirmation:
    """Return the results so far. The baseline's score is the campaign's, since nothing chose it."""
    plan, spread = standing.plan, standing.noise
    task = experiments[0].settings.task
    task = replace(task, bounds=in_force(None, experiments, task))
    prune, detail = _advice(standing, task)
    baseline = Sample(scores_by_code(experiments)[0], experiments[0].nodes)
    pruned = standing.sample(standing.pruned) if standing.pruned else None
    keeps = [_judged(standing, *pair) for pair in zip(plan.keeps, plan.without, strict=True)]
    return Confirmation(
        tag=experiments[0].tag,
        number=plan.keeps[-1].number,
        left=standing.left,
        noise=spread,
        baseline=_mean(baseline, spread),
        best=_mean(best, spread) if (best := standing.sample(plan.best)) else None,
        pruned=_mean(pruned, spread) if pruned else None,
        prune=prune,
        detail=detail,
        keeps=tuple(keeps),
    )


def _mean(sample: Sample, spread: Noise) -> Mean:
    return Mean(sample.mean, spread.error(len(sample.scores)), len(sample.scores))


def _judged(standing: Standing, keep: Keep, variant: Variant) -> KeepFound:
    along = tuple(number for number in variant.out if number != keep.number)
    gone = standing.pruned.out if standing.pruned else ()
    finding = standing.finding(variant)
    built_on = [str(number) for number in along if number not in gone]
    if finding is Finding.REAL and built_on:
        finding = Finding.NEEDED
    return KeepFound(
        number=keep.number,
        idea=keep.idea,
        claimed=keep.claimed,
        along=along,
        runs=len(standing.runs(variant.code)),
        worth=None if finding is Finding.GONE else standing.worth(variant),
        finding=finding,
        detail=_detail(standing, variant, finding, built_on),
        stays=keep.number not in gone and finding is not Finding.GONE,
    )


def _detail(standing: Standing, variant: Variant, finding: Finding, built_on: Sequence[str]) -> str:
    if finding is Finding.GONE:
        return "later keeps undid it, so nothing of it is in the best"
    if crash := standing.crash(variant.code):
        return f"without it the best crashes ({crash.failure}: {crash.detail})"
    if finding is Finding.NEEDED:
        return f"{', '.join(built_on)} build on it, and together they help"
    return ""


def _advice(standing: Standing, task: Task) -> tuple[bool, str]:
    """Return True if the pruned best is to be begun with, and why; no words before the end."""
    best, pruned = standing.plan.best, standing.pruned
    if pruned is None or standing.todo:
        return False, ""
    if pruned.code == best.code:
        return False, "nothing to prune"
    if crash := standing.crash(pruned.code):
        why = f"the pruned best crashes ({crash.failure}: {crash.detail})"
        return False, f"{why}: begin with the best"
    if broken := _broken(standing, pruned, task):
        return False, f"the pruned best breaks {broken}: begin with the best"
    worth = standing.worth(pruned)
    if worth is None:
        return False, "the best has no score"
    sign = task.objective.sign * worth.value
    gap = f"{with_error(abs(worth.value), worth.error)} {'higher' if sign > 0 else 'lower'}"
    if worth.helps >= REAL:
        return False, (
            f"the pruned best is clearly worse, {gap}: the pruned keeps help together, though not "
            "alone; begin with the best"
        )
    less = "one keep less" if len(pruned.out) == 1 else f"{len(pruned.out)} keeps less"
    if best.nodes > pruned.nodes:
        less = f"{less} and {best.nodes - pruned.nodes} fewer syntax-tree nodes"
    return True, f"the pruned best scores {gap} than the best, with {less}"


def _broken(standing: Standing, pruned: Variant, task: Task) -> str:
    """Return the bounds that the best holds by the mean of its runs, and a pruned one does not."""
    bests, owns = standing.runs(standing.plan.best.code), standing.runs(pruned.code)
    broken = [bound for bound in task.bounds if _holds(bound, bests) and not _holds(bound, owns)]
    return "; ".join(map(str, broken))


def _holds(bound: Bound, runs: Sequence[Run]) -> bool:
    values = [run.score.of(bound.metric) for run in runs if run.score]
    known = [value for value in values if value is not None]
    return bool(known) and len(known) == len(values) and bound.holds(fmean(known))
