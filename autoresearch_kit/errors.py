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
}
"""What the operating system refuses for reasons that only the user can mend, and how."""


class KitError(Exception):
    """The root: anything the kit refuses or can't do, in words meant for its user."""


class InputError(KitError):
    """A name, a number or a file that the user gave can't be used."""


class EditError(KitError):
    """A proposal's edits don't fit the notebook; the message is meant for the researcher."""


class CorpusError(KitError):
    """A corpus can't be read, or is too small, or was damaged on disk."""


class FingerprintError(KitError):
    """Two scores that were not measured in the same way were about to be compared."""


class LedgerError(KitError):
    """Git refused, or the repository is not in a state that a campaign can use."""


class BusyError(KitError):
    """Another process is running the campaign."""


class SubmissionError(KitError):
    """A model can't be handed over to be scored; the message names the culprit."""


class ExecutionError(KitError):
    """A run can't be started, or can't be ended."""


class EndpointError(KitError):
    """The endpoint of the language model does not answer as it must; it may later."""


class RefusedError(EndpointError):
    """The endpoint refuses the key, the model or the request: asking again won't help."""


class NoToolsError(EndpointError):
    """The endpoint, or its model, knows no function calling."""


class LimitReached(KitError):  # noqa: N818 - not a fault: the user set it
    """A cap on tokens or US dollars is reached; the message says how to go on."""


class ErrandError(KitError):
    """A copy or a notice could not be made; the campaign goes on without it."""


class Cancelled(KitError):  # noqa: N818 - not a fault: somebody asked for it
    """The user asked to stop now; whatever ran has been killed."""


class TrainingError(KitError):
    """Training can't go on: the loss is not finite any more, or has exploded."""


def in_words(error: BaseException) -> str:
    """What went wrong, in one line for people, with the way out where the system refused a file."""
    if not isinstance(error, OSError) or error.errno not in WAYS_OUT:
        return str(error) or type(error).__name__
    place = f": {error.filename}" if error.filename else ""
    return f"{os.strerror(error.errno)}{place}; {WAYS_OUT[error.errno]}, then go on"
