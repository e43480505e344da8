"""What a run without a score left in its folder. All of it came out of unreviewed code."""

from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.runner.crash_report import error_in, printed, read_executed
from autoresearch_kit.files.untrusted import read_if_plain
from autoresearch_kit.records import Profiled, ProfileRow, Run, StepProfile, codec
from autoresearch_kit.records.text import one_line

METRICS_BYTES = 1_000_000
PROFILE_BYTES = 64 * 1024
"""Of the loss curve, and of a profile, that are read."""

ROWS = 10
NAME_LENGTH = 100
TROUBLE_LENGTH = 200

MOST = 1e9
"""No number of a profile is larger: milliseconds, calls, steps."""


@dataclass(frozen=True)
class Probed(Profiled):
    """A run without a score: what its cells printed, its last traceback, its loss curve."""

    printed: str
    traceback: str
    metrics: bytes


def read_probed(folder: Path, run: Run) -> Probed:
    """Return what the run in `folder` left there; what is not there, or is no such thing, is
    empty."""
    executed = read_executed(folder / handover.EXECUTED_FILE)
    work = folder / handover.WORK_FOLDER
    return Probed(
        run=run,
        steps=_profile(work),
        printed=printed(executed),
        traceback=error_in(executed),
        metrics=read_if_plain(work / handover.METRICS_FILE, METRICS_BYTES),
    )


def _profile(work: Path) -> StepProfile | None:
    try:
        found = codec.decode(
            StepProfile, read_if_plain(work / handover.PROFILE_FILE, PROFILE_BYTES)
        )
    except KitError:
        return None
    numbers = [found.steps, found.first_ms, found.typical_ms, found.slow_ms, found.profiled_ms]
    numbers += [n for row in found.rows for n in (row.share, row.milliseconds, row.calls)]
    if not all(0 <= number <= MOST for number in numbers if number is not None):
        return None
    rows = tuple(map(_named, found.rows[:ROWS]))
    return replace(found, rows=rows, trouble=one_line(found.trouble, TROUBLE_LENGTH))


def _named(row: ProfileRow) -> ProfileRow:
    return replace(row, name=one_line(row.name, NAME_LENGTH))
