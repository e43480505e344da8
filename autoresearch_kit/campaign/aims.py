"""The objectives and bounds of a campaign: those of its task, or as a person asks for them."""

from collections.abc import Sequence
from dataclasses import replace

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Accelerator, Bound, Experiment, Task
from autoresearch_kit.tasks.measured.task_file import bound_problems, objective_problems
from autoresearch_kit.verdicts.bounds import in_force


def with_aims(task: Task, objectives: str | None, bounds: Sequence[str] | None) -> Task:
    """Return the task with these objectives, by name with commas between, and more bounds.

    Raises:
        InputError: one is no metric, there twice, or can't be held; the message says what is known.
    """
    if objectives is not None:
        names = names_in(objectives)
        problems = objective_problems(names, task.metrics)
        if problem := next(problems, None):
            raise InputError(f"--objectives: {problem}")
        if len(set(names)) < len(names):
            raise InputError(f"--objectives is {objectives!r}; name each objective once")
        task = replace(task, objectives=names)
    return with_bounds(task, task.bounds, [parse(text) for text in bounds or ()])


def names_in(objectives: str) -> tuple[str, ...]:
    """Return the names in a text that has commas between them."""
    return tuple(name.strip() for name in objectives.split(","))


def parse(text: str) -> Bound:
    """Return the bound that a text says; InputError if it says none."""
    bound = Bound.parse(text)
    if bound is None:
        raise InputError(f"bound {text!r} is none; write 'METRIC <= NUMBER' or 'METRIC >= NUMBER'")
    return bound


def with_bounds(task: Task, old: Sequence[Bound], new: Sequence[Bound]) -> Task:
    """Return the task with these bounds; a new one replaces an old one on the same side.

    Raises:
        InputError: one is on no metric of the task, or can't be held.
    """
    sides = {(each.metric, each.at_most): each for each in (*old, *new)}
    bounds = tuple(sides.values())
    if problem := next(bound_problems(bounds, task.metrics), None):
        raise InputError(problem)
    return replace(task, bounds=bounds)


def check_measured(task: Task, gpu: Accelerator | None) -> None:
    """Check that runs can measure the metrics asked for; `gpu` is the GPU that runs have.

    Raises:
        InputError: it can't.
    """
    asked = "peak_gpu_mb" in task.decisive
    if asked and (gpu is None or gpu.backend != "cuda"):
        raise InputError(
            "peak_gpu_mb can't be measured here, as runs have no NVIDIA GPU; leave it out of "
            "objectives and bounds"
        )


def bounds_in(workspace: Workspace, experiments: Sequence[Experiment], task: Task) -> Task:
    """Return a campaign's task with the bounds that are in force now."""
    return replace(task, bounds=in_force(workspace.bounds(), experiments, task))
