"""The audit trail of a campaign: one HTML file with all that led to each keep.

People read its page; programs read the same records as JSON in its element `records`. Whatever a
model, a notebook or a stranger wrote is escaped, and no script is in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from html import escape

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.ledger import Entry, History
from autoresearch_kit.notebook.changes import source_diff
from autoresearch_kit.records import Bound, Run, Verdict, by_finish, codec
from autoresearch_kit.records.proposals import IDEA_LENGTH
from autoresearch_kit.records.text import one_line, rounded, visible, with_error
from autoresearch_kit.reports.experiment import experiment_rows
from autoresearch_kit.tasks.measured.layout import DIRECTIVE_FILE
from autoresearch_kit.verdicts.estimates import estimates

STYLE = """
body { font: 14px/1.45 sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: .5em 0 1em; }
td, th { border: 1px solid #ccc; padding: 2px 8px; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; min-width: 6.5em; }
pre { background: #f6f6f6; padding: 8px; overflow-x: auto; }
"""

RUN_COLUMNS = ("seed", "scores", "seconds", "slot", "sandbox", "failure")
OTHER_COLUMNS = ("experiment", "finished", "verdict", "score", "idea", "by", "record")


@dataclass(frozen=True)
class Trail:
    """A campaign's experiments with their commits, as the file holds them for programs."""

    tag: str
    written: str
    experiments: tuple[Entry, ...]


def audit_page(history: History, written: str) -> str:
    """Return the audit trail of a campaign as an HTML page; `written` is the time of now, in UTC.

    Raises:
        LedgerError: a record can't be read.
    """
    entries = history.entries()
    if not entries:
        raise LedgerError(f"campaign {history.tag!r} has no experiment yet")
    keeps = [each for each in entries if each.experiment.verdict is Verdict.KEEP]
    others = [each for each in entries if each.experiment.verdict is not Verdict.KEEP]
    first = entries[0].experiment
    counts = f"{len(entries) - 1} experiments after the baseline, {len(keeps) - 1} kept"
    parts = [
        f"<h1>Audit trail of campaign {escape(history.tag)}</h1>",
        f"<p>Written {written}: {counts}.</p>",
        "<h2>Settings and task</h2>",
        _table(_flat(first.settings)),
        "<h2>Data, measurement, machine</h2>",
        _table(_flat(first.fingerprint)),
        "<h2>Bounds in force</h2>",
        _table(_bounds_over_time(entries)),
        "<h2>Directives</h2>",
        *_directives(history, entries),
        "<h2>Keeps</h2>",
        *(_keep(history, entry, entries) for entry in keeps),
        "<h2>Not kept</h2>",
        _rows(OTHER_COLUMNS, map(_other, others)),
    ]
    trail = codec.compact(Trail(history.tag, written, tuple(entries))).decode()
    records = trail.replace("<", "\\u003c")  # no text in it can end the element
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Audit trail of {escape(history.tag)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}"
        f'<script type="application/json" id="records">{records}</script></body></html>\n'
    )


def _flat(record: object, name: str = "") -> list[tuple[str, str]]:
    """Return the fields of a record as names and words, those of records in it with a dot."""
    if isinstance(record, tuple):
        return [pair for at, each in enumerate(record) for pair in _flat(each, f"{name} {at + 1}")]
    if not is_dataclass(record) or isinstance(record, Bound):
        return [(name, "not set" if record is None else str(record))]
    pairs = [(field.name, getattr(record, field.name)) for field in fields(record)]
    return [pair for key, value in pairs for pair in _flat(value, f"{name}.{key}".lstrip("."))]


def _bounds_over_time(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return the bounds from each experiment on at whose verdict they were others than before."""
    found, before = list[tuple[str, str]](), None
    for each in by_finish(entry.experiment for entry in entries):
        if each.bounds != before:
            since = f"from experiment {each.number} on, {each.finished}"
            found.append((since, "; ".join(map(str, each.bounds)) or "none"))
        before = each.bounds
    return found


def _directives(history: History, entries: Sequence[Entry]) -> Iterable[str]:
    """Yield each program.md that experiments were proposed under, once."""
    under: dict[str, list[int]] = {}
    for entry in entries:
        proposal = entry.experiment.proposal
        if proposal.directive:
            under.setdefault(proposal.directive, []).append(proposal.number)
    if not under:
        yield "<p>No language model was asked, so no program.md was read.</p>"
    for digest, numbers in under.items():
        yield f"<h3>program.md {escape(digest)}, of {', '.join(map(str, numbers))}</h3>"
        yield f"<pre>{_shown(_directive(history, numbers))}</pre>"


def _directive(history: History, numbers: Sequence[int]) -> str:
    for number in numbers:
        try:
            return history.file(number, DIRECTIVE_FILE).decode(errors="replace")
        except LedgerError:  # recorded before its text was
            continue
    return "its text was not recorded"


def _keep(history: History, entry: Entry, entries: Sequence[Entry]) -> str:
    """Return the page's part about a keep: words, runs, commits and the diff."""
    experiment = entry.experiment
    number, parent = experiment.number, experiment.proposal.parent
    known = estimates([each.experiment for each in entries]).get(number)
    noise = "" if experiment.noise is None else f"sigma {rounded(experiment.noise.sigma)}"
    words = [
        *experiment_rows(experiment, known),
        ("noise", noise),
        ("started", experiment.started),
        ("finished", experiment.finished),
        ("kit", experiment.kit_version),
        ("code commit", entry.code_commit),
        ("record commit", entry.record_commit),
        ("approval commit", entry.approval_commit or ""),
    ]
    changed = "the notebook that the campaign began with"
    if parent is not None:
        changed = str(source_diff(history.source(parent), history.source(number)))
    runs = [("run", run) for run in experiment.runs] + [
        ("of the best", run) for run in experiment.reruns
    ]
    return (
        f'<h3 id="experiment-{number}">Experiment {number}: {_shown(experiment.proposal.idea)}</h3>'
        f"{_table(words)}{_rows(('', *RUN_COLUMNS), (_run(kind, run) for kind, run in runs))}"
        f"<pre>{_shown(changed)}</pre>"
    )


def _run(kind: str, run: Run) -> tuple[str, ...]:
    values = {}
    if run.score is not None:
        values = {run.score.metric: run.score.value, **run.score.values}
    scores = "; ".join(f"{name} {rounded(value)}" for name, value in values.items())
    failure = f"{run.failure}: {run.detail}" if run.failure else ""
    seconds = f"{run.train_seconds:.1f} of {run.wall_seconds:.1f}"
    return (kind, str(run.seed), scores, seconds, run.slot, str(run.sandbox), failure)


def _other(entry: Entry) -> tuple[str, ...]:
    each = entry.experiment
    score = "" if each.score is None else with_error(each.score, each.error)
    proposal = each.proposal
    return (
        str(each.number),
        each.finished,
        f"{each.verdict} ({each.reason})",
        score,
        one_line(proposal.idea, IDEA_LENGTH),
        " ".join(word for word in (proposal.researcher, proposal.model) if word),
        entry.record_commit,
    )


def _table(pairs: Iterable[tuple[str, str]]) -> str:
    rows = (
        f"<tr><th>{escape(name)}</th><td>{_shown(words)}</td></tr>"
        for name, words in pairs
        if words
    )
    return f"<table>{''.join(rows)}</table>"


def _rows(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{_shown(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _shown(text: str) -> str:
    """Return text fit for the page: escaped, and with control characters made visible."""
    return escape(visible(text))
