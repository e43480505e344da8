"""The command errands: copies and notices, set while a campaign runs."""

from typing import Annotated

import typer

from autoresearch_kit.campaign import notify
from autoresearch_kit.campaign.errands import WEBHOOK, settle_errands
from autoresearch_kit.records import Errands
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
def errands(tag: Tag, copy_to: CopyTo = None, webhook: Webhook = None) -> None:
    """Show or change where copies and notices of a campaign go; an empty text ("") ends one.

    A running campaign follows from its next experiment on.
    """
    workspace = open_workspace(known(project(), tag))
    if copy_to is not None or webhook is not None:
        workspace.write_errands(settle_errands(workspace, copy_to, webhook))
    console.print(_described(workspace.errands()))


def _described(errands: Errands) -> str:
    copies = errands.copy_to or "nowhere"
    shown = notify.public_part(errands.webhook) if errands.webhook else ""
    notices = f"the log, and {shown}" if shown else "the log only"
    return f"copies go to {copies}; notices go to {notices}"
