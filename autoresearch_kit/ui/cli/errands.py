"""errands: copies and notices, while a campaign runs."""

from typing import Annotated

import typer

from autoresearch_kit.campaign import notify
from autoresearch_kit.campaign.errands import WEBHOOK, settle_errands
from autoresearch_kit.records import Errands
from autoresearch_kit.reports.status import known
from autoresearch_kit.ui.cli.app import Tag, app, console, project, workspace

PANEL = "Errands"
"""The panel of `--help` that holds these options."""

CopyTo = Annotated[
    str | None,
    typer.Option(
        help="A folder that gets a copy after each experiment; `restore` reads it.",
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
    """What a campaign does after each experiment, beside it; an empty text ("") ends it.

    A campaign that runs does so from its next experiment on.
    """
    place = workspace(known(project(), tag))
    if copy_to is not None or webhook is not None:
        place.write_errands(settle_errands(place, copy_to, webhook))
    console.print(_words(place.errands()))


def _words(errands: Errands) -> str:
    copies = errands.copy_to or "nowhere"
    told = (
        f"the log, and {notify.public_part(errands.webhook)}" if errands.webhook else "the log only"
    )
    return f"copies go to {copies}; notices go to {told}"
