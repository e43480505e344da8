"""The file `task.toml` in a task's folder: what is measured, what must hold, and the budget."""

import hashlib
import keyword
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.bounded import MEGABYTE, read_all
from autoresearch_kit.records import KIT_METRICS, Bound, Direction, Metric, Task, codec
from autoresearch_kit.tasks.measured.layout import TASK_FILE
from autoresearch_kit.tasks.measured.toml_table import Table

TRAIN_SECONDS = 300.0
MEASURE_SECONDS = 300.0

STANDARD_ERROR = "_se"
"""`measure.report` takes the standard error of a metric by its name and this."""

TASK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_METRIC_NAME = re.compile(r"[A-Za-z\u00b5\u03bc_][A-Za-z0-9\u00b5\u03bc_]{0,39}")
"""Latin letters, and the sign of micro as keyboards and as Greeks write it."""


UNIT_LENGTH = 40

KERNELS = ("dev", "proc", "sys")
"""Folders that a sandbox has of its own."""

GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class TaskFile:
    """The contents of a task.toml; `TaskInfo` describes the same fields of a prepared task."""

    task: Task
    about: str = ""
    train_seconds: float = TRAIN_SECONDS
    command: str = ""
    checks: str = ""
    measure_seconds: float = MEASURE_SECONDS
    measure_memory_mb: float | None = None
    submission_seconds: float | None = None
    sees: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()

    @property
    def aims(self) -> str:
        """Return a digest of what a campaign takes from it at its start, for its life."""
        return hashlib.sha256(codec.compact((self.task, self.train_seconds))).hexdigest()[:12]


def read(root: Path, folder: str) -> TaskFile:
    """Return what the task.toml in a folder of the project at `root` says.

    Raises:
        InputError: there is none, or something in it is wrong; the message says how to mend it.
    """
    found, problems = examine(root, folder)
    if found is None:
        more = f" (and {len(problems) - 1} more: autoresearch check {folder})"
        raise InputError(f"{problems[0]}{more if len(problems) > 1 else ''}")
    return found


def examine(root: Path, folder: str) -> tuple[TaskFile | None, list[str]]:
    """Return what a folder's task.toml says, None if anything is wrong, and all that is."""
    where = f"{folder}/{TASK_FILE}"
    try:
        text = read_all(root / folder / TASK_FILE, MEGABYTE).decode("utf-8-sig")
        values = tomllib.loads(text)
    except FileNotFoundError:
        return None, [f"no {TASK_FILE} in {folder}; make a task with: autoresearch new NAME"]
    except UnicodeDecodeError as error:
        return None, [f"{where} can't be read: {error}; save it as UTF-8"]
    except (OSError, InputError) as error:
        return None, [f"{where} can't be read: {error}"]
    except tomllib.TOMLDecodeError as error:
        return None, [f"{where} is not TOML: {error}; texts need quotes, tables a line [name]"]
    except (RecursionError, ValueError) as error:  # lists in lists, a number of thousands of digits
        return None, [f"{where} can't be read: {error}"]
    problems: list[str] = []
    found = _read_table(Table(values, where, problems), folder)
    return (None, problems) if problems else (found, [])


def _read_table(table: Table, folder: str) -> TaskFile:
    name = table.text("name", PurePosixPath(folder).name)
    if not TASK_NAME.fullmatch(name):
        table.note(f"name is {name!r}; it must be a letter, then at most 39 of A-Za-z0-9_-")
    limits, sandbox = table.table("limits"), table.table("sandbox")
    command, checks = table.text("measure"), table.text("checks")
    trusted = table.flag("trusted")
    metrics = _read_metrics(table)
    task = Task(
        name=name,
        metrics=metrics,
        objectives=_read_objectives(table, metrics),
        bounds=_read_bounds(table, metrics),
        folder=folder,
        trusted=trusted or bool(command or checks),  # it may run what was handed over
    )
    found = TaskFile(
        task=task,
        about=table.text("about"),
        train_seconds=table.positive("train_seconds") or TRAIN_SECONDS,
        command=command,
        checks=checks,
        measure_seconds=limits.positive("measure_seconds") or MEASURE_SECONDS,
        measure_memory_mb=limits.positive("measure_memory_mb"),
        submission_seconds=limits.positive("submission_seconds"),
        sees=_read_sees(sandbox),
        hides=_read_hides(sandbox),
    )
    limits.end()
    sandbox.end()
    table.end(_belongs_to_metric)
    return found


def _belongs_to_metric(key: str) -> str:
    belongs = {"metric": "metrics", "direction": "metrics", "unit": "metrics"}
    return f"it belongs below a line [[{belongs[key]}]]" if key in belongs else ""


def _read_metrics(table: Table) -> tuple[Metric, ...]:
    metrics = list[Metric]()
    for each in table.tables("metrics"):
        name, direction = each.text("name"), each.text("direction", Direction.LOWER)
        if problem := _name_problem(name, [metric.name for metric in metrics]):
            each.note(problem)
        if direction not in list(Direction):
            each.note(f'direction is {direction!r}; it must be "lower" or "higher"')
            direction = Direction.LOWER
        floor, unit = each.flag("zero_is_floor"), each.text("unit")
        if not unit.isprintable() or len(unit) > UNIT_LENGTH:
            each.note(f"unit is {unit!r}; it must be one line of {UNIT_LENGTH} characters at most")
        metrics.append(Metric(name, Direction(direction), unit, floor))
        each.end()
    if not metrics:
        table.note('no metrics; write for each a line [[metrics]], then name = "error"')
    return tuple(metrics)


def _name_problem(name: str, before: Sequence[str]) -> str:
    """Return what is wrong with a metric's name, or nothing."""
    if not name:
        return 'it has no name; write name = "error"'
    if not _METRIC_NAME.fullmatch(name) or keyword.iskeyword(name):
        return f"name is {name!r}; it must be a word of Python, at most 40 of A-Za-z0-9µ_"
    if name in KIT_METRICS:
        return f"{name} is measured by the kit for every task; leave it out, or choose another name"
    if name.endswith(STANDARD_ERROR):
        return f"name is {name!r}; the ending {STANDARD_ERROR} is of standard errors, leave it out"
    return f"{name} is there twice; choose another name" if name in before else ""


def _read_objectives(table: Table, metrics: Sequence[Metric]) -> tuple[str, ...]:
    objectives = table.texts("objectives")
    for problem in objective_problems(objectives, metrics):
        table.note(problem)
    return objectives or tuple(metric.name for metric in metrics[:1])


def objective_problems(objectives: Sequence[str], metrics: Sequence[Metric]) -> Iterator[str]:
    """Yield what is wrong with the names of objectives of a task with these metrics."""
    known = _known(metrics)
    for name in objectives:
        if name not in known:
            yield f"objective {name!r} is no metric; known are {', '.join(known)}"


def _read_bounds(table: Table, metrics: Sequence[Metric]) -> tuple[Bound, ...]:
    bounds = list[Bound]()
    for text in table.texts("bounds"):
        bound = Bound.parse(text)
        if bound is None:
            table.note(f'bound {text!r} is none; write "METRIC <= NUMBER" or "METRIC >= NUMBER"')
        else:
            bounds.append(bound)
    for problem in bound_problems(bounds, metrics):
        table.note(problem)
    return tuple(bounds)


def bound_problems(bounds: Sequence[Bound], metrics: Sequence[Metric]) -> Iterator[str]:
    """Yield what is wrong with bounds of a task with these metrics: no value is within some."""
    known = _known(metrics)
    for bound in bounds:
        metric = known.get(bound.metric)
        if metric is None:
            yield f"bound '{bound}' is on no metric; known are {', '.join(known)}"
        elif metric.zero_is_floor and bound.at_most and bound.limit < 0:
            yield f"bound '{bound}' can't hold: {metric.name} is never below 0; raise the limit"
    for least in (each for each in bounds if not each.at_most):
        for most in (each for each in bounds if each.at_most):
            if least.metric == most.metric and most.limit < least.limit:
                yield f"bounds '{least}' and '{most}' can't both hold; change one"


def _known(metrics: Sequence[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics} | {**KIT_METRICS}


def _read_sees(sandbox: Table) -> tuple[str, ...]:
    sees = sandbox.texts("sees")
    for path in sees:
        if not PurePosixPath(path).is_absolute() or not _is_plain(path):
            sandbox.note(
                f"sees has {path!r}; it must be an absolute path, outside the project, without .."
            )
        elif len(PurePosixPath(path).parts) == 1:
            sandbox.note("sees has '/', which is all of the machine; name a folder")
        elif PurePosixPath(path).parts[1] in KERNELS:
            sandbox.note(f"sees has {path!r}, which the kernel makes up of processes; leave it out")
    return sees


def _read_hides(sandbox: Table) -> tuple[str, ...]:
    hides = sandbox.texts("hides")
    for path in hides:
        if not _is_plain(path):
            sandbox.note(
                f"hides has {path!r}; write it without .. and ~, from site-packages or from one /"
            )
        elif GLOB.search(path):
            sandbox.note(f"hides has {path!r}; name files or folders, each by its path, without *")
        elif PurePosixPath(path).parts in ((), ("/",)):
            sandbox.note(f"hides has {path!r}, which is all there is; name what holds hidden data")
    return hides


def _is_plain(path: str) -> bool:
    """Return whether a path has one name: `//usr` is another one to Python, and to Linux not."""
    return ".." not in PurePosixPath(path).parts and not path.startswith(("//", "~"))
