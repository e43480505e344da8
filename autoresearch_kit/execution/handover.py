"""Names and formats of the files that a notebook leaves in its work folder, and its runner beside.

Unreviewed code writes the work folder: read it by `untrusted` only.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import Reason
from autoresearch_kit.records.codec import encode

TRAINS = "train"  # the stage of a run, in `Live`, from the first editable cell to the hand-over
WORK_FOLDER = "work"  # the only folder that the notebook may write to; under the run's folder
HOME_FOLDER = "home"  # the kernel's HOME; under the work folder

METRICS_FILE = "metrics.jsonl"
METRICS_BYTES = 1_000_000  # bytes of a loss curve that are read, and kept
PROFILE_FILE = "profile.json"
FAILURE_FILE = "failure.json"
MODEL_FILE = "submission.pkl"
"""The pickled submission; empty, once it is taken, where all is in `OUTPUT_FOLDER`."""
OUTPUT_FOLDER = "output"
"""Files that a notebook hands over, for a task that is a folder; in the work folder, and taken to
the run's folder."""
SUBMISSION_FILE = "submission.json"
"""Written last and atomically: its arrival ends the training budget."""

SETUP_FILE = "setup.json"
SPEC_FILE = "spec.json"
INPUT_FILE = "input.ipynb"
EXECUTED_FILE = "executed.ipynb"

FROM_RUNNER_FOLDER = "from_runner"
"""Files of the runner that the notebook can only read; under the run's folder."""
COMPILE_SECONDS_FILE = "compile_seconds"
CLOCK_FILE = "clock.json"

RUN_FILE = "run.json"
LIVE_FILE = "live.json"
LOG_FILE = "runner.log"

# environment variables of a notebook's kernel
WORK = "AUTORESEARCH_WORK"  # the work folder; without it, the notebook is being run by hand
COMPILE_SECONDS = "AUTORESEARCH_COMPILE_SECONDS"
"""The file with the seconds of compilation that the budget excludes."""
CLOCK = "AUTORESEARCH_CLOCK"  # the file with the CPU clock, if the run is timed by that
PROFILE = "AUTORESEARCH_PROFILE"  # set if a few of the run's steps are to be profiled
DEVICE = "AUTORESEARCH_DEVICE"  # torch's name of the device that the run must compute on
DATASET = "AUTORESEARCH_DATASET"  # the data set's folder, whatever the notebook's parameter says

DETAIL_LENGTH = 500
"""Characters of the detail of a run's failure; the middle of a longer one is left out."""

PROFILE_ROWS, PROFILE_NAME_LENGTH = 10, 100  # rows, and characters of a row's name, at most

MOST_COUNTED = 2**53
"""Largest count of steps or tokens that is believed: a float can't hold larger ones exactly."""


def countable(*counts: int) -> bool:
    """Return whether a notebook may have counted so many steps or tokens."""
    return all(0 <= count <= MOST_COUNTED for count in counts)


def recorded_file(kind: str = "run", number: int = 1) -> str:
    """Return an executed notebook's name in git; by default that of an idea's first run."""
    return f"{kind}-{number}.ipynb"


@dataclass(frozen=True)
class Submitted:
    """The numbers that a notebook claims about its training when it hands its model over.

    `gpu_allocated_mb` is the peak of its GPU's memory as torch's allocator counts it.
    """

    steps: int
    tokens: int
    compile_seconds: float
    gpu_allocated_mb: float | None = None


@dataclass(frozen=True)
class Failure:
    """The reason why there is no score, and a line for people."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class Live:
    """A run's stage: `start`, `train`, `submit` or `done`, since a Unix time."""

    stage: str
    since: float


def write_live(folder: Path, stage: str) -> None:
    """Write down for watchers of the run's folder that a stage begins now."""
    write_atomic(folder / LIVE_FILE, encode(Live(stage, time.time())))
