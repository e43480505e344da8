"""The typer application that the commands are added to, and the arguments that they share."""

import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from autoresearch_kit import ledger
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import codec
from autoresearch_kit.records.text import visible
from autoresearch_kit.reports.status import no_campaign


class SafeConsole(Console):
    """Prints text of a model, a notebook or somebody's campaign so that none of it controls the
    terminal."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of `renderable`; only rich's own control codes stay as they are."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


app = typer.Typer(
    help="Let a researcher edit a training notebook all night, and keep what measures better.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = SafeConsole(highlight=False, soft_wrap=True, markup=False)

Tag = Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def fill_help() -> None:
    """Let each paragraph of the commands' help fill its lines; typer breaks all but the first one
    where the docstring does."""
    for command in app.registered_commands:
        paragraphs = (inspect.getdoc(command.callback) or "").split("\n\n")
        command.help = "\n\n".join(each.replace("\n", " ") for each in paragraphs)


def print_json(record: object) -> None:
    """Print a record as JSON, with control characters escaped."""
    lines = codec.encode(record).decode().split("\n")
    print("\n".join(line if line.isprintable() else _escaped(line) for line in lines))  # noqa: T201


def _escaped(line: str) -> str:
    return "".join(mark if mark.isprintable() else json.dumps(mark)[1:-1] for mark in line)


def project() -> Path:
    """Return the folder of the project that the current folder lies in."""
    return ledger.find_root(Path.cwd())


def open_workspace(tag: str) -> Workspace:
    """Return the workspace of campaign `tag`, which need not exist yet."""
    return Workspace(project(), ledger.valid_tag(tag))


def known_history(tag: str) -> ledger.History:
    """Return the history of a campaign that has at least its baseline.

    Raises:
        InputError: there is no such campaign; the message names the others.
    """
    root = project()
    history = ledger.History(root, ledger.valid_tag(tag))
    if history.best() is None:
        raise no_campaign(tag, ledger.campaigns(root))
    return history
