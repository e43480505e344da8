"""Every error that the kit raises on purpose.

A message names the value, what is allowed, and the way out; the command line prints it as one line.
"""

import errno
import os

WAYS_OUT = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or have your quota raised",
    errno.EROFS: "make its disk writable",
    errno.EACCES: "change its owner or permissions",
    errno.EPERM: "change its owner or permissions",
    errno.ENOTDIR: "a file lies where a folder belongs; move it away",
    errno.EISDIR: "a folder lies where a file belongs; move it away",
    errno.ENAMETOOLONG: "shorten it",
    errno.ELOOP: "a link leads to itself; remove it",
}
"""Ways out of the system errors that only the user can fix."""


class KitError(Exception):
    """The root of all errors that the kit raises on purpose; the message is meant for its user."""


class InputError(KitError):
    """The user gave a name, a number or a file that can't be used."""


class EditError(KitError):
    """A proposal's edits don't fit the notebook; the message is meant for the researcher."""


class CorpusError(KitError):
    """A corpus can't be read, is too small, or was damaged on disk."""


class FingerprintError(KitError):
    """Two scores can't be compared, since they were measured in different ways."""


class LedgerError(KitError):
    """Git failed, or a campaign can't use the repository in its present state."""


class BusyError(KitError):
    """Another process is running the campaign."""


class SubmissionError(KitError):
    """A model can't be submitted; the message names the part that is to blame."""


class ExecutionError(KitError):
    """A run can't be started or ended."""


class EndpointError(KitError):
    """The language model's endpoint fails at the moment; asking later may help."""


class RefusedError(EndpointError):
    """The endpoint refuses the key, the model or the request; asking again won't help."""


class NoToolsError(EndpointError):
    """The endpoint or its model does not support function calling."""


class LimitReached(KitError):  # noqa: N818 - not a fault: the user set it
    """A cap on tokens or US dollars is reached; the message says how to go on."""


class BackupError(KitError):
    """A campaign could not be copied; it goes on, and the copy before stays good."""


class NotifyError(KitError):
    """A notice could not be sent; the campaign goes on without it."""


class Cancelled(KitError):  # noqa: N818 - not a fault: somebody asked for it
    """The user asked to stop at once; what was running has been killed."""


class TrainingError(KitError):
    """Training can't go on: the loss is not finite, or has exploded."""


def in_words(error: BaseException) -> str:
    """Return an error in one line for people, with the way out if the system refused a file."""
    if not isinstance(error, OSError) or error.errno not in WAYS_OUT:
        return str(error) or type(error).__name__
    file = f": {error.filename}" if error.filename else ""
    return f"{os.strerror(error.errno)}{file}; {WAYS_OUT[error.errno]}, then go on"
