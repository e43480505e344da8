"""The results of a confirmation as they are written down and shown."""

from collections.abc import Sequence

from autoresearch_kit.records import Experiment, Noise
from autoresearch_kit.reports.confirmation import Confirmation, Finding, KeepFound, Mean
from autoresearch_kit.studies.confirm.judging import REAL, Standing, pruned_runs
from autoresearch_kit.studies.confirm.plan import Keep, Variant
from autoresearch_kit.verdicts import noise
from autoresearch_kit.verdicts.decide import Sample


def sum_up(standing: Standing, experiments: Sequence[Experiment]) -> Confirmation:
    """Return the results so far. The baseline's score is the campaign's, since nothing chose it."""
    plan = standing.plan
    prune, detail = _advice(standing)
    baseline = Sample(noise.scores_by_code(experiments)[0], experiments[0].nodes)
    found = [_found(standing, *pair) for pair in zip(plan.keeps, plan.without, strict=True)]
    return Confirmation(
        tag=experiments[0].tag,
        number=plan.keeps[-1].number,
        left=len(standing.todo) + pruned_runs(standing),
        noise=standing.noise,
        baseline=_mean(baseline, standing.noise),
        best=_of(standing, plan.best),
        pruned=_of(standing, standing.pruned) if standing.pruned else None,
        prune=prune,
        detail=detail,
        keeps=tuple(found),
    )


def _of(standing: Standing, variant: Variant) -> Mean | None:
    sample = standing.sample(variant)
    return _mean(sample, standing.noise) if sample else None


def _mean(sample: Sample, spread: Noise) -> Mean:
    return Mean(sample.mean, spread.error(len(sample.scores)), len(sample.scores))


def _found(standing: Standing, keep: Keep, variant: Variant) -> KeepFound:
    along = tuple(number for number in variant.out if number != keep.number)
    gone = standing.pruned.out if standing.pruned else ()
    finding = standing.finding(variant)
    built_on = [number for number in along if number not in gone]
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


def _detail(standing: Standing, variant: Variant, finding: Finding, built_on: Sequence[int]) -> str:
    crash = standing.crash(variant.code)
    if finding is Finding.GONE:
        return "later keeps undid it, so nothing of it is in the best"
    if crash:
        return f"without it the best crashes ({crash.failure}: {crash.detail})"
    if finding is Finding.NEEDED:
        return f"{', '.join(map(str, built_on))} build on it, and together they help"
    return ""


def _advice(standing: Standing) -> tuple[bool, str]:
    """Return whether to begin with the pruned best, and why; empty before the end."""
    best, pruned = standing.plan.best, standing.pruned
    if pruned is None or standing.todo:
        return False, ""
    if pruned.code == best.code:
        return False, "nothing to prune"
    if crash := standing.crash(pruned.code):
        return (
            False,
            f"the pruned best crashes ({crash.failure}: {crash.detail}): begin with the best",
        )
    worth = standing.worth(pruned)
    if worth is None:
        return False, "the best has no score"
    gap = f"{abs(worth.value):.6f} ± {worth.error:.6f} {'higher' if worth.value > 0 else 'lower'}"
    if worth.helps >= REAL:
        return False, (
            f"the pruned best is clearly worse, {gap}: the pruned keeps help together, though not "
            "alone; begin with the best"
        )
    return True, f"the pruned best scores {gap} than the best, with {_less(best, pruned)}"


def _less(best: Variant, pruned: Variant) -> str:
    count = len(pruned.out)
    keeps = "one keep less" if count == 1 else f"{count} keeps less"
    fewer = best.nodes - pruned.nodes
    return f"{keeps} and {fewer} fewer syntax-tree nodes" if fewer > 0 else keeps
