"""The commands approve, reject and audit: a person's say in what is built on, and the trail."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import best_of
from autoresearch_kit.reports.audit_trail import audit_page
from autoresearch_kit.ui.cli.app import Tag, app, console, known_history

Number = Annotated[int, typer.Argument(help="The number of a keep that waits.")]
Note = Annotated[str, typer.Option(help="Why; it is recorded with your name.")]


@app.command()
def approve(tag: Tag, number: Number, note: Note = "") -> None:
    """Let a campaign that was started with --approve build on a keep.

    Your name, the time and the answer are recorded in git, and are never changed.
    """
    _answer(tag, number, note, approved=True)


@app.command()
def reject(tag: Tag, number: Number, note: Note = "") -> None:
    """Have a campaign that was started with --approve never build on a keep."""
    _answer(tag, number, note, approved=False)


@app.command()
def audit(
    tag: Tag,
    file: Annotated[
        Path | None, typer.Argument(help="The file to write (default: TAG-audit.html).")
    ] = None,
) -> None:
    """Write what led to each keep into one HTML file, for an auditor.

    Settings, bounds, directives; of each keep its diff, runs, verdict, model, prompts, tool calls,
    approval and commits. Programs read the same as JSON in its element `records`.
    """
    path = file or Path(f"{tag}-audit.html")
    if not path.absolute().parent.is_dir():
        raise InputError(f"no folder {path.parent}; make it: mkdir -p {path.parent}")
    page = audit_page(known_history(tag), datetime.now(UTC).isoformat(timespec="seconds"))
    write_atomic(path, page.encode())
    console.print(str(path))


def _answer(tag: str, number: int, note: str, *, approved: bool) -> None:
    history = known_history(tag)
    answer = history.answer(number, approved=approved, note=note)
    experiments = history.experiments()
    waiting = [str(each.number) for each in experiments if each.waits]
    best = best_of(experiments)
    console.print(f"experiment {number} of '{tag}' is {answer}")
    console.print(f"the best is experiment {best.number if best else 0}")
    if waiting:
        console.print(f"still waiting for approval: {', '.join(waiting)}")
