"""The panel's words, as HTML. Whatever a model or a notebook wrote is escaped."""

import time
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from autoresearch_kit.records import Command, Experiment, Limits, Stage, Verdict
from autoresearch_kit.records.digits import rounded, with_error
from autoresearch_kit.reports.rows import Row
from autoresearch_kit.reports.status import to_come
from autoresearch_kit.reports.watching import Now, Sight
from autoresearch_kit.ui.panel.live_curve import live_curve, versus
from autoresearch_kit.verdicts.noise import describe

SILENT = 20.0
"""Seconds after which a heartbeat is late: one comes every two."""

MARKS = {
    Verdict.KEEP: "&#9679;",
    Verdict.DISCARD: "&#9675;",
    Verdict.CRASH: "&#10005;",
    Verdict.DISTURBED: "&#9671;",
}
"""A disc, a ring, a cross, a diamond: as in the picture, and for who sees no colours."""


def wrap(body: str, kind: str = "") -> str:
    """`body` in the panel's style."""
    return f'<div class="ark"><div class="{kind}">{body}</div></div>'


def status(sight: Sight) -> str:
    """What the campaign is doing, and how old its last sign of life is."""
    kind = "died" if sight.dead else sight.state.stage if sight.state else "none"
    seen = time.strftime("%H:%M:%S", time.localtime(sight.time))
    note = f"looked at {seen}; if this time stands still, run the cell again"
    return wrap(
        f'<span class="big chip {kind}">{escape(sight.tag)}: {escape(_doing(sight))}</span>'
        f' <span class="muted">{note}</span>'
    )


def _doing(sight: Sight) -> str:
    state = sight.state
    if state is None:
        return "not started here yet"
    if sight.dead:
        way_on = {
            Command.RUN: "press Go on",
            Command.CONFIRM: f"go on with: autoresearch confirm {sight.tag}",
        }[state.command]
        return f"its process died while {state.stage}; nothing recorded is lost: {way_on}"
    if not sight.running:
        return f"{state.stage}: {state.message}"
    silent = max(0.0, sight.time - state.heartbeat)
    beat = f"silent for {silent:.0f} s" if silent > SILENT else f"heartbeat {silent:.0f} s ago"
    doing = f"{state.stage}, {state.message}" if state.message else str(state.stage)
    return f"{doing}, experiment {state.number}{to_come(state, sight.request)}, {beat}"


def now(sight: Sight) -> str:
    """The experiment under way: its idea, its numbers, its loss curve, its diff."""
    one = sight.now
    if one is None:
        return ""
    idea = f'<div class="big">Experiment {one.proposal.number}: {escape(one.proposal.idea)}</div>'
    why = f'<div class="muted">{escape(one.proposal.hypothesis)}</div>'
    best = sight.best_curve if one.proposal.parent is not None else ()
    drawing = live_curve(one.curve, best, one.budget)
    against = versus(one.curve, best)
    return wrap(f"{idea}{why}{_facts(_measured(one))}{drawing}<div>{against}</div>", "box")


def running_diff(sight: Sight) -> str:
    """What the experiment under way changes."""
    if sight.now is None or not sight.now.diff:
        return ""
    return wrap(sight.now.diff._repr_html_(), "box scroll")


def _measured(one: Now) -> list[tuple[str, str]]:
    facts = [("stage", str(one.stage)), ("proposed by", one.proposal.researcher)]
    if one.curve:
        last = one.curve[-1]
        speed = f"{last.tokens / last.seconds:,.0f}" if last.seconds > 0 else "-"
        facts += [
            ("trained", f"{last.seconds:.0f} of {one.budget:.0f} s"),
            ("steps", f"{last.step + 1:,}"),
            ("tokens/s", speed),
            ("loss", f"{last.loss:.3f}"),
        ]
    if one.memory_mb:
        facts.append(("memory", f"{one.memory_mb:,.0f} MB"))
    return [*facts, ("", one.gpu)] if one.gpu else facts


def _facts(facts: list[tuple[str, str]]) -> str:
    spans = (
        f'<span><span class="muted">{name}</span> <b>{escape(words)}</b></span>'
        for name, words in facts
    )
    return f'<div class="facts">{"".join(spans)}</div>'


def spent(sight: Sight) -> str:
    """What the campaign has found and taken, and what is left of its limits."""
    facts = _found(sight)
    limits = sight.state.limits if sight.state else Limits()
    tried = max(0, sum(row.retry_of is None for row in sight.rows) - 1)
    facts.append(("experiments", _of(tried, limits.experiments)))
    if sight.state and sight.running:
        hours = (sight.time - sight.state.started) / 3600
        facts.append(("hours", _of(round(hours, 2), limits.hours)))
    if sight.usage.requests:
        facts.append(("tokens", _of(sight.usage.tokens, limits.tokens)))
    if sight.usage.usd is not None:
        facts.append(("USD", _of(round(sight.usage.usd, 3), limits.usd)))
    warning = f'<div class="chip crash">{escape(sight.warning)}</div>' if sight.warning else ""
    return wrap(_facts(facts) + warning)


def _found(sight: Sight) -> list[tuple[str, str]]:
    best = sight.best
    first = sight.rows[0].known if sight.rows else None
    if best is None or best.known is None or first is None:
        return []
    kept = sum(row.verdict is Verdict.KEEP for row in sight.rows)
    crashed = sum(row.verdict is Verdict.CRASH for row in sight.rows)
    disturbed = sum(row.verdict is Verdict.DISTURBED for row in sight.rows)
    lower = f"{(first.value - best.known.value) / first.value:.2%} lower, experiment {best.number}"
    facts = [
        ("baseline", str(first)),
        ("best", f"{best.known} ({lower})" if best.number else "the baseline"),
        ("kept", str(kept - 1)),
        ("crashed", str(crashed)),
        *([("disturbed", str(disturbed))] if disturbed else []),
    ]
    return [*facts, ("noise", describe(sight.noise))] if sight.noise else facts


def _of(value: float, limit: float | None) -> str:
    if limit is None:
        return f"{value:,g}"
    return f"{value:,g} of {limit:,g}, {max(0.0, round(limit - value, 3)):,g} left"


def table_head(*, costs: bool) -> str:
    """The names of the table's columns."""
    names = ("verdict", "val_bpb", "runs", "delta", "idea", "seconds", *(["cost"] if costs else []))
    cells = (
        f'<span class="{"" if name in ("verdict", "idea") else "num"}">{name}</span>'
        for name in names
    )
    return wrap("".join(cells), f"row head {_costs(costs)}")


def table_row(row: Row, *, costs: bool) -> str:
    """An experiment in one line."""
    error = row.known.error if row.known else None
    delta = "" if row.delta is None else rounded(row.delta, error, signed=True)
    weaker = f'<span class="muted">sandbox: {row.sandbox}</span> ' if row.weaker else ""
    retries = f"tries {row.retry_of} again"
    again = "" if row.retry_of is None else f'<span class="muted">{retries}:</span> '
    cost = f'<span class="num">{escape(row.cost)}</span>' if costs else ""
    cells = (
        f'<span class="chip {row.verdict}">{MARKS[row.verdict]} {row.verdict}</span>'
        f'<span class="num" title="{escape(row.speed, quote=True)}">{row.known or "-"}</span>'
        f'<span class="num">{len(row.scores) if row.known else ""}</span>'
        f'<span class="num">{delta}</span>'
        f'<span title="{escape(row.idea, quote=True)}">{weaker}{again}{escape(row.idea)}</span>'
        f'<span class="num">{row.seconds:.0f}</span>{cost}'
    )
    return wrap(cells, f"row {_costs(costs)}")


def _costs(costs: bool) -> str:
    return "costs" if costs else ""


def details(experiment: Experiment, diff: str) -> str:
    """One experiment that was opened: what was tried, what came of it, what it changed."""
    one = experiment.proposal
    parent = "" if one.parent is None else f", from {one.parent}"
    facts = [
        ("proposed by", " ".join(filter(None, (one.researcher, one.model)))),
        ("kind", one.category or "-"),
    ]
    if experiment.sandbox:
        facts.append(("sandbox", str(experiment.sandbox)))
    for run in experiment.runs:
        facts += [
            ("val_bpb", f"{run.score.value:.6f}" if run.score else "-"),
            ("trained", run.trained.replace(" of training", "")),
            ("in", f"{run.wall_seconds:.1f} s"),
            ("steps", f"{run.steps:,}"),
            ("tokens", f"{run.tokens:,}"),
            ("tokens/s", f"{run.tokens_per_second:,.0f}"),
            ("memory", run.memory),
        ]
    if experiment.usage.requests:
        facts.append(("language model", str(experiment.usage)))
    guided = (
        f'<div>made under your guidance: "{escape(one.guidance)}"</div>' if one.guidance else ""
    )
    return wrap(
        f'<div class="big">Experiment {one.number}{parent}: {escape(one.idea)}</div>'
        f'<div class="muted">{escape(one.hypothesis)}</div>'
        f'<div><span class="chip {experiment.verdict}">{MARKS[experiment.verdict]} '
        f"{experiment.verdict}, {experiment.reason}</span> {escape(_outcome(experiment))}</div>"
        f"{_facts(facts)}{guided}{diff}",
        "box scroll",
    )


def _outcome(experiment: Experiment) -> str:
    """Its score and what is said of that, or of why there is none."""
    if experiment.val_bpb is None:
        score = "no score"
    else:
        score = with_error(experiment.val_bpb, experiment.error)
    if experiment.detail.startswith(f"{experiment.val_bpb or 0:.6f}"):
        return experiment.detail
    return f"{score}. {experiment.detail}" if experiment.detail else score


def troubles(sight: Sight) -> str:
    """What went wrong of late, in words; empty if nothing did."""
    if not sight.troubles:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in sight.troubles)
    return wrap(f"<b>Troubles of late</b><ul>{lines}</ul>", "box")


def guidance(sight: Sight) -> str:
    """What the researcher is told now."""
    said = escape(sight.guidance) or "nothing yet"
    return wrap(f'<span class="muted">Said to the researcher now:</span> {said}')


def message(text: str, kind: str = "") -> str:
    """The answer to what a person just did."""
    return wrap(f'<span class="chip {kind}">{escape(text)}</span>') if text else ""


def file(path: Path, address: str | None) -> str:
    """A file of the project; a link if JupyterLab shows it, on the server that shows this page."""
    if address is None:
        return message(f"written to {path}; a JupyterLab that shows it: autoresearch lab")
    place = escape(urlsplit(address).path, quote=True)  # the browser has its token already
    return wrap(f'<a href="{place}" target="_blank">{escape(str(path))}</a>')


def progress_words(sight: Sight) -> str:
    """What stands beside the progress bar."""
    one = sight.now
    if one is None or sight.state is None:
        return ""
    if sight.state.stage is Stage.PAUSED:
        return "paused"
    if sight.state.stage is Stage.WAITING:
        return "waiting for a quiet machine"
    if one.stage == "train":
        return f"training, {_trained(one):.0f} of {one.budget:.0f} s"
    return {"start": "starting", "submit": "scoring"}.get(one.stage, str(one.stage))


def progress_value(sight: Sight) -> float:
    """How much of the training budget the run under way has had, in [0, 1]."""
    one = sight.now
    return min(1.0, _trained(one) / one.budget) if one and one.budget else 0.0


def _trained(one: Now) -> float:
    return one.curve[-1].seconds if one.curve else 0.0
