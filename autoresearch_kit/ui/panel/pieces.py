"""The panel's words, as HTML. Whatever a model or a notebook wrote is escaped."""

import time
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from autoresearch_kit.records import Command, Experiment, Limits, Stage, Verdict
from autoresearch_kit.records.text import rounded, with_error
from autoresearch_kit.reports.reading import Reading
from autoresearch_kit.reports.rows import Row
from autoresearch_kit.reports.status import words
from autoresearch_kit.reports.under_way import UnderWay
from autoresearch_kit.tasks.lm.task import TASK
from autoresearch_kit.ui.panel.live_curve import versus
from autoresearch_kit.verdicts.noise import describe

MARKS = {
    Verdict.KEEP: "&#9679;",
    Verdict.DISCARD: "&#9675;",
    Verdict.CRASH: "&#10005;",
    Verdict.DISTURBED: "&#9671;",
}
"""A disc, a ring, a cross, a diamond, for readers who see no colours."""

Facts = list[tuple[str, str]]


def wrap(body: str, kind: str = "") -> str:
    """Return `body` in the panel's style."""
    return f'<div class="ark"><div class="{kind}">{body}</div></div>'


def muted(text: str) -> str:
    """Return a text in grey."""
    return f'<span class="muted">{escape(text)}</span>'


def facts_html(facts: Facts) -> str:
    """Return names and words side by side."""
    spans = (f"<span>{muted(name)} <b>{escape(words)}</b></span>" for name, words in facts)
    return f'<div class="facts">{"".join(spans)}</div>'


def status(reading: Reading) -> str:
    """Return what the campaign is doing, and how old its last sign of life is."""
    kind = "died" if reading.dead else reading.state.stage if reading.state else "none"
    seen = time.strftime("%H:%M:%S", time.localtime(reading.time))
    doing = f"{reading.tag}: {_doing(reading)}"
    note = muted(f"read at {seen}; if this time stands still, run the cell again")
    return wrap(f'<span class="big chip {kind}">{escape(doing)}</span> {note}')


def _doing(reading: Reading) -> str:
    state = reading.state
    if state is None:
        return "not started here yet"
    said = words(state, reading.running, reading.request, reading.time)
    if not reading.dead:
        return said
    way_on = {
        Command.RUN: "press Go on",
        Command.CONFIRM: f"go on with: autoresearch confirm {reading.tag}",
    }[state.command]
    return f"its process {said}; nothing recorded is lost: {way_on}"


def under_way(reading: Reading, run: UnderWay) -> str:
    """Return the experiment under way: its idea, its numbers, how it compares with the best."""
    proposal = run.proposal
    idea = f'<div class="big">Experiment {proposal.number}: {escape(proposal.idea)}</div>'
    best = reading.best_curve if proposal.parent is not None else ()
    comparison = versus(run.curve, best)
    body = f"{idea}<div>{muted(proposal.hypothesis)}</div>{facts_html(_measured(run))}"
    return wrap(f"{body}<div>{comparison}</div>", "box")


def _measured(run: UnderWay) -> Facts:
    facts = [("stage", str(run.stage)), ("proposed by", run.proposal.researcher)]
    if run.curve:
        last = run.curve[-1]
        speed = f"{last.tokens / last.seconds:,.0f}" if last.seconds > 0 else "-"
        facts += [
            ("trained", f"{last.seconds:.0f} of {run.budget:.0f} s"),
            ("steps", f"{last.step + 1:,}"),
            ("tokens/s", speed),
            ("loss", f"{last.loss:.3f}"),
        ]
    if run.memory_mb:
        facts.append(("memory", f"{run.memory_mb:,.0f} MB"))
    return [*facts, ("", run.gpu)] if run.gpu else facts


def progress_words(reading: Reading, run: UnderWay) -> str:
    """Return the words beside the progress bar."""
    stage = reading.state.stage if reading.state else Stage.RUNNING
    if stage is Stage.PAUSED:
        return "paused"
    if stage is Stage.WAITING:
        return "waiting for a quiet machine"
    if run.stage == "train":
        return f"training, {run.trained:.0f} of {run.budget:.0f} s"
    return {"start": "starting", "submit": "scoring"}.get(run.stage, str(run.stage))


def summary(reading: Reading) -> str:
    """Return what the campaign has found and used, and what is left of its limits."""
    facts = _found(reading)
    limits = reading.state.limits if reading.state else Limits()
    tried = max(0, sum(row.retry_of is None for row in reading.table) - 1)
    facts.append(("experiments", _of(tried, limits.experiments)))
    if reading.state and reading.running:
        hours = (reading.time - reading.state.started) / 3600
        facts.append(("hours", _of(round(hours, 2), limits.hours)))
    if reading.usage and reading.usage.requests:
        facts.append(("tokens", _of(reading.usage.tokens, limits.tokens)))
    if reading.usage and reading.usage.usd is not None:
        facts.append(("USD", _of(round(reading.usage.usd, 3), limits.usd)))
    warning = f'<div class="chip crash">{escape(reading.warning)}</div>' if reading.warning else ""
    return wrap(facts_html(facts) + warning)


def _found(reading: Reading) -> Facts:
    baseline, best, row = reading.baseline, reading.best, reading.best_row
    if baseline is None or best is None or row is None:
        return []
    lower = f"{reading.gain / baseline.value:.2%} lower, experiment {row.number}"
    facts = [
        ("baseline", str(baseline)),
        ("best", f"{best} ({lower})" if row.number else "the baseline"),
        ("kept", str(reading.kept)),
        ("crashed", str(reading.crashed)),
    ]
    if reading.disturbed:
        facts.append(("disturbed", str(reading.disturbed)))
    return [*facts, ("noise", describe(reading.noise))] if reading.noise else facts


def _of(value: float, limit: float | None) -> str:
    if limit is None:
        return f"{value:,g}"
    return f"{value:,g} of {limit:,g}, {max(0.0, round(limit - value, 3)):,g} left"


def table_head(*, costs: bool) -> str:
    """Return the names of the table's columns."""
    names = ["verdict", TASK.objective.name, "runs", "delta", "idea", "seconds"]
    names += ["cost"] if costs else []
    kinds = ("" if name in ("verdict", "idea") else "num" for name in names)
    cells = (f'<span class="{kind}">{name}</span>' for kind, name in zip(kinds, names, strict=True))
    return wrap("".join(cells), f"row head {_costs(costs)}")


def table_row(row: Row, *, costs: bool) -> str:
    """Return an experiment in one line."""
    delta = "" if row.delta is None else rounded(row.delta, row.error, signed=True)
    weaker = f"{muted(f'sandbox: {row.sandbox}')} " if row.weaker else ""
    again = "" if row.retry_of is None else f"{muted(f'tries {row.retry_of} again:')} "
    cost = f'<span class="num">{escape(row.cost)}</span>' if costs else ""
    cells = (
        f"{_verdict(row.status)}"
        f'<span class="num" title="{escape(row.speed, quote=True)}">{row.estimate or "-"}</span>'
        f'<span class="num">{row.scores or ""}</span>'
        f'<span class="num">{delta}</span>'
        f'<span title="{escape(row.idea, quote=True)}">{weaker}{again}{escape(row.idea)}</span>'
        f'<span class="num">{row.seconds:.0f}</span>{cost}'
    )
    return wrap(cells, f"row {_costs(costs)}")


def _verdict(verdict: Verdict, more: str = "") -> str:
    return f'<span class="chip {verdict}">{MARKS[verdict]} {verdict}{more}</span>'


def _costs(costs: bool) -> str:
    return "costs" if costs else ""


def details(experiment: Experiment, diff: str) -> str:
    """Return one experiment in full: what was tried, what came of it, what it changed."""
    proposal = experiment.proposal
    parent = "" if proposal.parent is None else f", from {proposal.parent}"
    facts = [
        ("proposed by", " ".join(filter(None, (proposal.researcher, proposal.model)))),
        ("kind", proposal.category or "-"),
    ]
    if experiment.sandbox:
        facts.append(("sandbox", str(experiment.sandbox)))
    for run in experiment.runs:
        facts += [
            (TASK.objective.name, f"{run.score.value:.6f}" if run.score else "-"),
            ("trained", run.trained.replace(" of training", "")),
            ("in", f"{run.wall_seconds:.1f} s"),
            ("steps", f"{run.steps:,}"),
            ("tokens", f"{run.tokens:,}"),
            ("tokens/s", f"{run.tokens_per_second:,.0f}"),
            ("memory", run.memory),
        ]
    if experiment.usage.requests:
        facts.append(("language model", str(experiment.usage)))
    if proposal.guidance:
        facts.append(("your guidance", proposal.guidance))
    verdict = _verdict(experiment.verdict, f", {experiment.reason}")
    return wrap(
        f'<div class="big">Experiment {proposal.number}{parent}: {escape(proposal.idea)}</div>'
        f"<div>{muted(proposal.hypothesis)}</div>"
        f"<div>{verdict} {escape(_outcome(experiment))}</div>{facts_html(facts)}{diff}",
        "box scroll",
    )


def _outcome(experiment: Experiment) -> str:
    """Return its score and the verdict's detail, or why there is no score."""
    if experiment.score is None:
        score = "no score"
    elif experiment.detail.startswith(f"{experiment.score:.6f}"):
        return experiment.detail
    else:
        score = with_error(experiment.score, experiment.error)
    return f"{score}. {experiment.detail}" if experiment.detail else score


def troubles(reading: Reading) -> str:
    """Return recent crashes and warnings; empty if there are none."""
    if not reading.troubles:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in reading.troubles)
    return wrap(f"<b>Recent problems</b><ul>{lines}</ul>", "box")


def guidance(reading: Reading) -> str:
    """Return the guidance that the researcher gets now."""
    return wrap(f"{muted('Guidance for the researcher now:')} {escape(reading.guidance) or 'none'}")


def message(text: str, kind: str = "") -> str:
    """Return the answer to what a person just did."""
    return wrap(f'<span class="chip {kind}">{escape(text)}</span>') if text else ""


def file(path: Path, address: str | None) -> str:
    """Return a file of the project: a link if the JupyterLab that shows this page shows it."""
    if address is None:
        return message(f"written to {path}; open it with: autoresearch lab")
    place = escape(urlsplit(address).path, quote=True)  # the browser has its token already
    return wrap(f'<a href="{place}" target="_blank">{escape(str(path))}</a>')
