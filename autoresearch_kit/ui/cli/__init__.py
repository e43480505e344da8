"""The command line, `autoresearch ...`: each module adds a few related commands."""

import sys

from autoresearch_kit.errors import WAYS_OUT, KitError, in_words
from autoresearch_kit.records.text import visible
from autoresearch_kit.ui.cli import (  # noqa: F401 - importing them adds their commands
    adopt,
    confirm,
    machine,
    read,
    run,
    share,
    steer,
    task,
)
from autoresearch_kit.ui.cli.app import app, fill_help

fill_help()


def main() -> None:
    """Run the command line; an error of the kit is one line on stderr and exit status 1."""
    try:
        app()
    except KitError as error:
        sys.exit(f"error: {visible(str(error))}")
    except OSError as error:
        if error.errno not in WAYS_OUT:
            raise
        sys.exit(f"error: {visible(in_words(error))}")
