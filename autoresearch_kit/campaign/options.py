"""Options of a start as the user gave them: what each may be, and paths within the project."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.campaign.aims import names_in
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import devices
from autoresearch_kit.execution.runner.clock import PATIENCE, STARTUP_SECONDS
from autoresearch_kit.files.paths import checked, data_home
from autoresearch_kit.records import Clock, Limits, Rule
from autoresearch_kit.researchers import check_name
from autoresearch_kit.tasks.lm.dataset import INFO_FILE, is_path
from autoresearch_kit.tasks.measured.toml_table import LARGEST

LEAST_PROMPT = 4_000  # tokens below which a prompt could not say what is needed
MOST_PROBES = 10  # probes of a proposal: more would take longer than what they prepare

Bound = tuple[Callable[[float], bool], str]

POSITIVE: Bound = (lambda value: value > 0, "more than 0")
COUNT: Bound = (lambda value: value >= 1, "at least 1")
SECONDS: Bound = (
    lambda value: 0 < value <= LARGEST,
    f"more than 0, for example 300, at most {LARGEST:g}",
)
PRICE: Bound = (lambda value: 0 <= value < 100_000, "US dollars per million tokens")

BOUNDS: Mapping[str, Bound] = {
    "train_seconds": SECONDS,
    "wall_seconds": SECONDS,
    "memory_mb": POSITIVE,
    "gpu_memory_mb": POSITIVE,
    "compile_seconds": (lambda value: value >= 0, "0 or more, for example 180"),
    "seeds": COUNT,
    "max_elsewhere": (lambda value: 0 < value <= 1, "a share, more than 0 and at most 1"),
    "max_experiments": COUNT,
    "hours": POSITIVE,
    "max_tokens": COUNT,
    "max_usd": POSITIVE,
    "prompt_tokens": (lambda value: value >= LEAST_PROMPT, f"at least {LEAST_PROMPT}"),
    "optuna_every": (lambda value: value == 0 or value >= 2, "2 or more, or 0 for never"),
    "probes": (lambda value: 0 <= value <= MOST_PROBES, f"from 0, for none, to {MOST_PROBES}"),
    "usd_in": PRICE,
    "usd_out": PRICE,
    "usd_cached": PRICE,
}
"""The values allowed for each option that is a number."""


@dataclass(frozen=True)
class Options:
    """Options that the user gave; None where nothing was given."""

    task: str | None = None
    dataset: str | None = None
    train_seconds: float | None = None
    wall_seconds: float | None = None
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    compile_seconds: float | None = None
    researcher: str | None = None
    profile: str | None = None
    notebook: str | None = None
    rule: Rule | None = None
    seeds: int | None = None
    max_elsewhere: float | None = None
    clock: Clock | None = None
    devices: str | None = None
    pool: str | None = None
    objectives: str | None = None
    bound: tuple[str, ...] | None = None
    approve: bool | None = None


def flag(name: str) -> str:
    """Return the option of the command line for a field's name."""
    return "--" + name.replace("_", "-")


def check_bounds(options: Mapping[str, object]) -> None:
    """Check the numbers among these options; None, where nothing was given, is allowed.

    Raises:
        InputError: a number is not finite or out of bounds.
    """
    for name, (allows, words) in BOUNDS.items():
        value = options.get(name)
        if isinstance(value, int | float) and not (math.isfinite(value) and allows(value)):
            raise InputError(f"{flag(name)} is {value:g}; it must be {words}")


def settle_limits(
    experiments: int | None, hours: float | None, tokens: int | None, usd: float | None
) -> Limits:
    """Return when the campaign is to end by itself; InputError if a number is out of bounds."""
    check_bounds(
        {"max_experiments": experiments, "hours": hours, "max_tokens": tokens, "max_usd": usd}
    )
    return Limits(experiments, hours, tokens, usd)


def resolved(root: Path, options: Options) -> Options:
    """Return the options with paths as they are in the project, and no space between names.

    Raises:
        InputError: a number is out of bounds, or a path or a name can't be used.
    """
    options = replace(
        options,
        task=None if options.task is None else task_in_project(root, options.task),
        dataset=_absolute_dataset(options.dataset),
        notebook=_notebook_in_project(root, options.notebook),
        objectives=None if options.objectives is None else ",".join(names_in(options.objectives)),
    )
    check_bounds(vars(options))
    if options.devices is not None:
        devices.check(devices.parse(options.devices))
    if options.researcher is not None:
        check_name(options.researcher)
    if (
        options.train_seconds
        and options.wall_seconds
        and options.wall_seconds < options.train_seconds
    ):
        raise InputError(
            f"--wall-seconds {options.wall_seconds:g} is less than the training budget of "
            f"{options.train_seconds:g} s; leave it out for 2 x budget + the compile seconds, "
            f"{PATIENCE:g} x both by the CPU clock, + {STARTUP_SECONDS:g} s"
        )
    return options


def task_in_project(root: Path, task: str) -> str:
    """Return a task's folder as its path in the project.

    Raises:
        InputError: it is not in the project, or is all of it, or its path can't stand in records.
    """
    # a link that leads to itself stays as it is
    path, root = checked(Path(os.path.realpath(root / task)), "the task's folder"), root.resolve()
    if not path.is_relative_to(root) or path == root:
        raise InputError(
            f"{path} can't be a task: it must be a folder in the project at {root}: copy it there"
        )
    return path.relative_to(root).as_posix()


def _absolute_dataset(dataset: str | None) -> str | None:
    """Return a path made absolute, so that it means the same in every folder; a name as it is."""
    if dataset is None or not is_path(dataset):
        return dataset
    path = Path(dataset).expanduser().resolve()
    # the folder of a prepared data set, which `prepare` prints, means that data set
    prepared = path.parent == data_home().resolve() and (path / INFO_FILE).exists()
    return path.name if prepared else str(path)


def _notebook_in_project(root: Path, notebook: str | None) -> str | None:
    if notebook is None:
        return None
    path, root = (root / notebook).resolve(), root.resolve()
    if not path.is_relative_to(root):
        raise InputError(
            f"--notebook is {path}, outside the project at {root}; bring it in: "
            f"autoresearch adopt --from {path}"
        )
    return path.relative_to(root).as_posix()
