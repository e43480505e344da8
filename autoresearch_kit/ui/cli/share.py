"""The commands push, fetch, bundle, restore, backup and notify: campaigns elsewhere, and news."""

from pathlib import Path
from typing import Annotated

import typer

from autoresearch_kit.campaign import notify
from autoresearch_kit.campaign.background import WEBHOOK, settle_destinations
from autoresearch_kit.campaign.backup import restore as restore_copies
from autoresearch_kit.ledger import sharing
from autoresearch_kit.records import Destinations
from autoresearch_kit.reports.status import known
from autoresearch_kit.ui.cli.app import Tag, app, console, known_history, open_workspace, project

Remote = Annotated[str, typer.Option(help="A git remote, an address, or a bundle file.")]

PANEL = "Copies and notices"

CopyTo = Annotated[
    str | None,
    typer.Option(
        help="Copy the campaign to this folder after each experiment, for `restore`.",
        rich_help_panel=PANEL,
    ),
]
Webhook = Annotated[
    str | None,
    typer.Option(
        help="Send a notice when it ends, fails, needs help, or keeps nothing for long: a web "
        "address, or one of apprise's, such as ntfy://TOPIC.",
        envvar=WEBHOOK,
        rich_help_panel=PANEL,
    ),
]


@app.command()
def push(tag: Tag, remote: Remote = "origin") -> None:
    """Send a campaign's experiments and branch to a git remote."""
    known_history(tag)
    new = sharing.push(project(), tag, remote)
    console.print(f"'{tag}' is at {remote}; new experiments there: {new}")


@app.command()
def fetch(
    tag: Annotated[str | None, typer.Argument(help="A campaign (default: all).")] = None,
    remote: Remote = "origin",
) -> None:
    """Get campaigns from a git remote or a bundle."""
    console.print("here now: " + ", ".join(sharing.fetch(project(), tag, remote)))


@app.command()
def bundle(tag: Tag, output: Annotated[Path | None, typer.Option("-o")] = None) -> None:
    """Write a whole campaign into one file, for `fetch --remote FILE`."""
    known_history(tag)
    path = (output or Path(f"{tag}.bundle")).absolute()
    sharing.bundle(project(), tag, path)
    console.print(str(path))


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of `run --copy-to`.")],
    tag: Annotated[str | None, typer.Argument(help="A campaign (default: all).")] = None,
) -> None:
    """Bring campaigns and their data sets back from a copy; `run` then goes on with them."""
    for restored in restore_copies(project(), folder, tag):
        name, count = restored.tag, restored.experiments
        console.print(f"'{name}': {count} experiments are here, the baseline included")
        if restored.lacks:
            console.print(f"warning: '{name}' can't go on here: {restored.lacks}")
        else:
            console.print(f"go on with it: autoresearch run {name} --copy-to {folder}")


@app.command()
def backup(tag: Tag, copy_to: CopyTo = None) -> None:
    """Show or change the folder that a campaign is copied to; an empty text ("") ends copies.

    A running campaign follows from its next experiment on.
    """
    destinations = _settled(tag, copy_to=copy_to)
    console.print(f"copies go to {destinations.copy_to or 'nowhere'}")


@app.command(name="notify")
def set_webhook(tag: Tag, webhook: Webhook = None) -> None:
    """Show or change where notices of a campaign go; an empty text ("") ends them.

    A running campaign follows from its next notice on.
    """
    address = _settled(tag, webhook=webhook).webhook
    shown = f"the log, and {notify.public_part(address)}" if address else "the log only"
    console.print(f"notices go to {shown}")


def _settled(tag: str, copy_to: str | None = None, webhook: str | None = None) -> Destinations:
    """Return where copies and notices go, changed to what is given and written down."""
    workspace = open_workspace(known(project(), tag))
    if copy_to is not None or webhook is not None:
        workspace.write_destinations(settle_destinations(workspace, copy_to, webhook))
    return workspace.destinations()
