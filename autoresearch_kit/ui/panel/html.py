"""The panel's words as HTML. Text of a model or a notebook is escaped.

Text has the page's own colour, readable on light and dark pages. Every state has a mark or a word
beside its colour, for colour-blind readers.
"""

import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from autoresearch_kit.records import Command, Limits, Reason, Stage, Verdict
from autoresearch_kit.records.text import rounded
from autoresearch_kit.reports.experiment import TRUSTED
from autoresearch_kit.reports.reading import Reading
from autoresearch_kit.reports.rows import Row
from autoresearch_kit.reports.status import slot_lines, slots_in_short, words
from autoresearch_kit.reports.summary_words import summary_rows
from autoresearch_kit.reports.under_way import STAGES, UnderWay

MARKS = {
    Verdict.KEEP: "&#9679;",
    Verdict.DISCARD: "&#9675;",
    Verdict.CRASH: "&#10005;",
    Verdict.DISTURBED: "&#9671;",
}
"""A disc, a ring, a cross, a diamond."""

SHORT_REASONS = {
    str(Reason.TRADE_OFF): "trade-off",
    str(Reason.OUT_OF_BOUNDS): "bounds",
    str(Reason.CHECKS_FAILED): "checks",
    str(Reason.NOT_MEASURED): "measuring",
}
"""Words in place of the verdict, whose mark they keep: they say more in as little room."""

DAGGER = "&#8224;"
"""Marks a score that was measured beside the hidden data."""


def wrap(body: str, kind: str = "") -> str:
    """Return `body` in the panel's style."""
    return f'<div class="ark"><div class="{kind}">{body}</div></div>'


def muted(text: str) -> str:
    """Return a text in grey."""
    return f'<span class="muted">{escape(text)}</span>'


def message(text: str, kind: str = "") -> str:
    """Return the answer to what a person just did."""
    return wrap(f'<span class="chip {kind}">{escape(text)}</span>') if text else ""


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return names and words in lines that fill the page's width."""
    spans = (f"<span>{muted(name)} <b>{escape(words)}</b></span>" for name, words in pairs)
    return f'<div class="facts">{"".join(spans)}</div>'


def rows(pairs: Sequence[tuple[str, str]]) -> str:
    """Return names and words, a line each."""
    cells = (f"{muted(name)}<span>{escape(words)}</span>" for name, words in pairs)
    return f'<div class="rows">{"".join(cells)}</div>'


def status(reading: Reading) -> str:
    """Return what the campaign is doing, and when that was read."""
    state, kind, doing = reading.state, "none", "not started here yet"
    if state is not None:
        kind = "died" if reading.dead else state.stage
        doing = words(state, reading.running, reading.request, reading.time)
    if state is not None and reading.dead:
        way_on = {
            Command.RUN: "press Go on",
            Command.CONFIRM: f"go on with: autoresearch confirm {reading.tag}",
        }[state.command]
        doing = f"its process {doing}; nothing recorded is lost: {way_on}"
    seen = time.strftime("%H:%M:%S", time.localtime(reading.time))
    note = muted(f"read at {seen}; if this time stands still, run the cell again")
    return wrap(f'<span class="big chip {kind}">{escape(f"{reading.tag}: {doing}")}</span> {note}')


def progress_words(reading: Reading, run: UnderWay) -> str:
    """Return the words beside the progress bar."""
    if run.remote:
        return f"on {run.slot}, another machine: its loss curve comes when the run is over"
    stage = reading.state.stage if reading.state and not run.slot else Stage.RUNNING
    if stage is Stage.PAUSED:
        return "paused"
    if stage is Stage.WAITING:
        return "waiting for a quiet machine"
    if run.stage == "train":
        return f"training, {run.trained:.0f} of {run.budget:.0f} s"
    return STAGES.get(run.stage, run.stage)


def under_way(run: UnderWay, comparison: str) -> str:
    """Return the experiment under way: its idea, its numbers, how it compares with the best."""
    proposal = run.proposal
    measured = [("proposed by", proposal.researcher)]
    if run.curve:
        last = run.curve[-1]
        measured += [("steps", f"{last.step + 1:,}"), ("loss", f"{last.loss:.3f}")]
        if last.tokens and last.seconds > 0:
            measured.append(("tokens/s", f"{last.tokens / last.seconds:,.0f}"))
    if run.slot:
        measured.append(("on", run.slot))
    if run.memory_mb:
        whose = "memory of all runs here" if run.slot else "memory"
        measured.append((whose, f"{run.memory_mb:,.0f} MB"))
    if run.gpu:
        measured.append(("", run.gpu))
    return wrap(
        f'<div class="big">Experiment {proposal.number}: {escape(proposal.idea)}</div>'
        f"<div>{muted(proposal.hypothesis)}</div>{facts(measured)}<div>{comparison}</div>",
        "box",
    )


def summary(reading: Reading) -> str:
    """Return what the campaign has found and used, and what is left of its limits."""
    found = dict(summary_rows(reading) if reading.table else [])
    found.pop("warning", None)
    warning = f'<div class="chip crash">{escape(reading.warning)}</div>' if reading.warning else ""
    devices = [("devices", slots_in_short(reading.slots, reading.time))] if reading.slots else []
    return wrap(facts([*found.items(), *devices, *_left(reading)]) + warning)


def slots(reading: Reading) -> str:
    """Return what each slot does, those that run nothing first; empty where there is only one."""
    if len(reading.slots) < 2:
        return ""
    head = ("slot", "runs", "for", "training", "idle")
    number = '<span class="num">{}</span>'.format
    cells = "".join(muted(name) for name in head)
    for line in slot_lines(reading.slots, reading.time):
        cells += f"<b>{escape(line.slot)}</b>"
        cells += f'<span title="{escape(line.doing, quote=True)}">{escape(line.doing)}</span>'
        cells += "".join(map(number, (line.lasts, line.training, line.idle)))
    return wrap(f'<div class="slots">{cells}</div>', "box scroll")


def _left(reading: Reading) -> list[tuple[str, str]]:
    """Return how much of its limits a running campaign has left."""
    if reading.state is None or not reading.running:
        return []
    limits, usage = reading.state.limits, reading.usage
    tried = max(0, sum(row.retry_of is None for row in reading.table) - 1)
    used = Limits(
        experiments=tried,
        hours=(reading.time - reading.state.started) / 3600,
        tokens=usage.tokens if usage else 0,
        usd=usage.usd if usage else 0.0,
    )
    return [
        (f"{name} left", f"{max(0.0, round(limit - (getattr(used, name) or 0.0), 2)):,g}")
        for name, limit in vars(limits).items()
        if limit is not None
    ]


def table_head(metric: str, *, costs: bool) -> str:
    """Return the names of the table's columns; `metric` is that of the scores."""
    numbers = '<span class="num">{}</span>'.format
    names = [escape(metric), "runs", "delta"]
    cells = f"<span>verdict</span>{''.join(map(numbers, names))}<span>idea</span>"
    cells += numbers("seconds") + (numbers("cost") if costs else "")
    return wrap(cells, f"row head {'costs' if costs else ''}")


def table_row(row: Row, *, costs: bool) -> str:
    """Return an experiment in one line."""
    delta = "" if row.delta is None else rounded(row.delta, row.score_se, signed=True)
    weaker = f"{muted(f'sandbox: {row.sandbox}')} " if row.weaker else ""
    again = "" if row.retry_of is None else f"{muted(f'tries {row.retry_of} again:')} "
    cost = f'<span class="num">{escape(row.cost)}</span>' if costs else ""
    cells = (
        f'<span class="chip {_kind(row)}" title="{row.reason}">{MARKS[row.status]} '
        f"{_short_verdict(row)}</span>"
        f'<span class="num" title="{escape(_measured(row), quote=True)}">{row.estimate or "-"}'
        f"{DAGGER if row.trusted else ''}</span>"
        f'<span class="num">{row.scores or ""}</span>'
        f'<span class="num">{delta}</span>'
        f'<span title="{escape(row.idea, quote=True)}">{weaker}{again}{escape(row.idea)}</span>'
        f'<span class="num">{row.seconds:.0f}</span>{cost}'
    )
    return wrap(cells, f"row {'costs' if costs else ''}")


def _short_verdict(row: Row) -> str:
    if row.held:
        return "waits" if row.waits else "rejected"
    return SHORT_REASONS.get(row.reason, row.status)


def _kind(row: Row) -> str:
    """Return the class of a row's chip: that of its verdict, and of a reason with a colour."""
    return f"{row.status} {row.reason.replace(' ', '-')}"


def _measured(row: Row) -> str:
    """Return what a look at the score shows: the speed, other metrics, how it was measured."""
    values = [f"{name} {rounded(value)}" for name, value in row.values.items()]
    trusted = [TRUSTED] if row.trusted else []
    return "; ".join([*([row.speed] if row.speed else []), *values, *trusted])


def troubles(reading: Reading) -> str:
    """Return recent crashes and warnings; empty if there are none."""
    if not reading.troubles:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in reading.troubles)
    return wrap(f"<b>Recent problems</b><ul>{lines}</ul>", "box")


def guidance(reading: Reading) -> str:
    """Return the guidance that the researcher gets now."""
    return wrap(f"{muted('Guidance for the researcher now:')} {escape(reading.guidance) or 'none'}")


def file(path: Path, address: str | None) -> str:
    """Return a file of the project: a link if the JupyterLab that shows this page shows it."""
    if address is None:
        return message(f"written to {path}; open it with: autoresearch lab")
    link = escape(urlsplit(address).path, quote=True)  # the browser has its token already
    return wrap(f'<a href="{link}" target="_blank">{escape(str(path))}</a>')
