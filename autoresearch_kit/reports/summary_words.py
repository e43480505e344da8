"""The summary of a campaign in words."""

import math
from collections import Counter

from autoresearch_kit.records import Metric, SandboxLevel
from autoresearch_kit.records.text import rounded, with_error
from autoresearch_kit.reports.experiment import bounds_in_words, marks
from autoresearch_kit.reports.rows import by_finish
from autoresearch_kit.reports.summary import Summary
from autoresearch_kit.verdicts.estimates import error_between
from autoresearch_kit.verdicts.noise import describe


def summary_rows(summary: Summary) -> list[tuple[str, str]]:
    """Return the summary as names and words."""
    judged, numbers = summary.experiments - summary.disturbed, ", ".join(map(str, summary.front))
    metric, hours, best = summary.metric.name, summary.hours, summary.best
    values = summary.measured(summary.best_row) if summary.best_row else {}
    rows = [
        ("experiments", f"{summary.experiments}: {outcomes(summary)}"),
        ("keep rate", f"{summary.kept / judged:.0%}" if judged else ""),
        (f"baseline {metric}", str(summary.baseline or "")),
        (f"best {metric}", f"{best}, {_gain(summary)}" if best else ""),
        *_others(summary),
        ("waiting", _waiting(summary)),
        ("front", f"{numbers}; no keep is surely better than any of these" if numbers else ""),
        ("bounds", bounds_in_words(summary.task.bounds, values)),
        ("measured", marks(summary.task)),
        ("noise", describe(summary.noise) if summary.noise else ""),
        ("extra runs", str(summary.extra).replace("none", "")),
        ("hours", "not recorded" if hours is None else f"{hours:.1f}; {summary.spent}"),
        ("device-hours", _device_hours(summary)),
        ("language model", _usage(summary)),
        ("sandbox", _sandbox(summary)),
        ("warning", summary.warning),
    ]
    return [(name, words) for name, words in rows if words]


def _waiting(summary: Summary) -> str:
    numbers = ", ".join(map(str, summary.waiting))
    way = f"autoresearch approve {summary.tag} N, or reject {summary.tag} N"
    return f"for approval: {numbers}; {way}" if numbers else ""


def _others(summary: Summary) -> list[tuple[str, str]]:
    """Return the best's value in each other objective, and the baseline's."""
    best, first = summary.best_row, next(iter(by_finish(summary.keeps())), None)
    if best is None or first is None:
        return []
    names = [name for name in summary.task.objectives[1:] if name in best.values]
    return [(f"its {name}", _changed(first.values.get(name), best.values[name])) for name in names]


def _gain(summary: Summary) -> str:
    direction = summary.metric.direction
    if not summary.baseline or not summary.best or summary.gain <= 0:
        return f"no {direction}"
    words = with_error(summary.gain, error_between(summary.baseline, summary.best))
    return f"{words}{share(summary.gain, summary.baseline.value, summary.metric)} {direction}"


def _device_hours(summary: Summary) -> str:
    """Return the hours of all runs, whatever they were for, and those of an improvement."""
    hours = summary.device_hours
    if not hours:
        return ""
    each = f", {hours / summary.kept:.2f} an improvement" if summary.kept else ""
    return f"{hours:.2f} of all runs{each}"


def _sandbox(summary: Summary) -> str:
    """Name the strongest sandbox, and count the experiments that had a weaker one."""
    counts = Counter(row.sandbox for row in summary.table if row.sandbox)
    strongest, *weaker = [str(level) for level in SandboxLevel if level in counts] or [""]
    counted = [f"but {level} in {counts[SandboxLevel(level)]}" for level in weaker]
    return ", ".join([strongest, *(f"{words} of {counts.total()}" for words in counted)])


def _usage(summary: Summary) -> str:
    usage, gain, metric = summary.usage, summary.gain, summary.metric
    if usage is None:
        return "not recorded"
    if not usage.requests:
        return "not used"
    if usage.usd is None:
        return f"{usage}; the cost is not known, since no prices were given"
    if gain <= 0:
        return f"{usage}, for no gain"
    first = summary.baseline.value if summary.baseline else 0.0
    if first <= 0:
        return str(usage)
    step = 10.0 ** (round(math.log10(first)) - 3)
    price = usage.usd * step / gain
    return f"{usage}: {price:.3f} USD for each {step:g} {metric.unit or metric.name}"


def _changed(before: float | None, now: float) -> str:
    return rounded(now) + ("" if before is None else f", the baseline's {rounded(before)}")


def share(gain: float, baseline: float, metric: Metric) -> str:
    """Return ` (2.83%)` for a gain over this baseline; empty where a share would say nothing."""
    return f" ({gain / baseline:.2%})" if metric.zero_is_floor and baseline > 0 else ""


def outcomes(summary: Summary) -> str:
    """Return `3 kept, 1 crashed`, and how many were disturbed where any were."""
    words = f"{summary.kept} kept, {summary.crashed} crashed"
    words += f", {summary.disturbed} disturbed" if summary.disturbed else ""
    waiting = len(summary.waiting)
    words += f", {summary.rejected} rejected" if summary.rejected else ""
    return f"{words}, {waiting} waiting for approval" if waiting else words
