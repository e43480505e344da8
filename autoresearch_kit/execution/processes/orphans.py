"""Adopt processes whose parent is gone."""

import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36
"""From Linux's <sys/prctl.h>."""


def adopt_orphans() -> None:
    """Make the calling process the parent of every descendant that is orphaned, on Linux.

    A process that forked twice then stays one of its descendants, whatever its environment says.

    Raises:
        OSError: the kernel refused.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
