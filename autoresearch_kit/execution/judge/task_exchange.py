"""The messages of a task's judge and predictor: lines of JSON on two pipes, bytes after some."""

from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit.records import Reason


@dataclass(frozen=True)
class TaskPredictorSpec:
    """The arguments of a predictor. The last two are file descriptors.

    `device` is torch's name of what torch modules must compute on. `imports_torch`: it loads torch
    while it waits.
    """

    submission: Path
    device: str
    imports_torch: bool
    requests: int
    replies: int


@dataclass(frozen=True)
class TaskRequest:
    """A request: one with a `module` asks to import that, which may come first.

    Of the others the first asks to load the submission, and later ones have `size` bytes of inputs.
    """

    size: int = 0
    module: str = ""


@dataclass(frozen=True)
class TaskReply:
    """A reply: a failure, or done, with `size` bytes of outputs.

    `parameters` are those of the submission's torch modules, counted when it was loaded.
    """

    failure: Reason | None = None
    detail: str = ""
    size: int = 0
    parameters: int | None = None
