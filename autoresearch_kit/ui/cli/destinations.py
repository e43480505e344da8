"""The commands backup and notify: set where copies and notices go while a campaign runs."""

from typing import Annotated

import typer

from autoresearch_kit.campaign import notify
from autoresearch_kit.campaign.background import WEBHOOK, settle_destinations
from autoresearch_kit.records import Destinations
from autoresearch_kit.reports.status import known
from autoresearch_kit.ui.cli.app import Tag, app, console, open_workspace, project

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
