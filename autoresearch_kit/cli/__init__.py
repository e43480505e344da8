"""The command line: `autoresearch ...`. Each module holds a few related commands."""

import errno
import os
import sys

from autoresearch_kit.cli import adopt, errands, machine, model, read, run, share, steer
from autoresearch_kit.cli.app import app
from autoresearch_kit.errors import KitError

__all__ = ["adopt", "app", "errands", "machine", "main", "model", "read", "run", "share", "steer"]

USERS_MATTERS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR)
"""What the operating system refuses for reasons that only the user can mend."""


def main() -> None:
    """Run the command line; what the kit refuses is one line on stderr and exit status 1."""
    try:
        app()
    except KitError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in USERS_MATTERS:
            raise
        sys.exit(f"error: {os.strerror(error.errno)}: {error.filename}")
