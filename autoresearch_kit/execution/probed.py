"""Read what a run without a score left in its folder; unreviewed code wrote all of it."""

from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.runner.crash_report import error_in, printed, read_executed
from autoresearch_kit.files.untrusted import read_if_plain
from autoresearch_kit.records import Profiled, Run, StepProfile, codec
from autoresearch_kit.records.text import one_line

PROFILE_BYTES = 64 * 1024  # bytes of a profile that are read
TROUBLE_LENGTH = 200  # characters that are kept of why there is no profile
LARGEST_NUMBER = 1e9  # largest number that a profile may contain: milliseconds, calls, steps


@dataclass(frozen=True)
class Probed(Profiled):
    """A run without a score: what its cells printed, its last traceback, its loss curve."""

    printed: str
    traceback: str
    metrics: bytes


def read_probed(folder: Path, run: Run) -> Probed:
    """Return what the run in `folder` left there: empty where a file is missing or not valid."""
    executed = read_executed(folder / handover.EXECUTED_FILE)
    work = folder / handover.WORK_FOLDER
    return Probed(
        run=run,
        steps=_profile(work),
        printed=printed(executed),
        traceback=error_in(executed),
        metrics=read_if_plain(work / handover.METRICS_FILE, handover.METRICS_BYTES),
    )


def _profile(work: Path) -> StepProfile | None:
    written = read_if_plain(work / handover.PROFILE_FILE, PROFILE_BYTES)
    try:
        profile = codec.decode(StepProfile, written)
    except KitError:
        return None
    numbers = [profile.steps, profile.first_ms, profile.typical_ms, profile.slow_ms]
    numbers += [profile.profiled_ms]
    numbers += [n for row in profile.rows for n in (row.share, row.milliseconds, row.calls)]
    if not all(0 <= number <= LARGEST_NUMBER for number in numbers if number is not None):
        return None
    rows = tuple(
        replace(row, name=one_line(row.name, handover.PROFILE_NAME_LENGTH))
        for row in profile.rows[: handover.PROFILE_ROWS]
    )
    return replace(profile, rows=rows, trouble=one_line(profile.trouble, TROUBLE_LENGTH))
