"""The typer application that the commands join, and the arguments they share."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from autoresearch_kit import history
from autoresearch_kit.errors import InputError
from autoresearch_kit.workspace import Workspace

app = typer.Typer(
    help="A researcher edits a training notebook all night, and keeps what predicts better.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console(highlight=False, soft_wrap=True, markup=False)

Tag = Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")]


def project() -> Path:
    """The project that the current folder lies in."""
    return history.find_root(Path.cwd())


def workspace(tag: str) -> Workspace:
    """The folder of campaign `tag`, which need not exist yet."""
    return Workspace(project(), history.valid_tag(tag))


def known_history(tag: str) -> history.History:
    """The history of a campaign that has at least its baseline.

    Raises:
        InputError: there is no such campaign; the message names those there are.
    """
    root = project()
    ledger = history.History(root, history.valid_tag(tag))
    if ledger.best() is None:
        there = ", ".join(history.campaigns(root)) or "none yet"
        raise InputError(f"no campaign '{tag}' in this project; there: {there}")
    return ledger
