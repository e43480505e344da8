"""The settings of a new campaign: as asked for, else what suits this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.campaign import context
from autoresearch_kit.campaign.aims import check_measured, with_aims
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.pools import LOCAL, is_elsewhere
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import devices, machine_probe
from autoresearch_kit.execution.runner.clock import wall_allowance
from autoresearch_kit.machine import cgroups, gpu, gpu_nodes, profiles
from autoresearch_kit.records import (
    LANGUAGE_MODELLING,
    VAL_BPB,
    Accelerator,
    Clock,
    Rule,
    Settings,
    Task,
)
from autoresearch_kit.tasks.measured import layout, task_file
from autoresearch_kit.tasks.measured.task_file import TaskFile

SEEDS: Mapping[Rule, int] = {Rule.CAREFUL: 3, Rule.GREEDY: 1}
"""Runs of the baseline, for `val_bpb`: how much that varies was measured before."""

MORE_SEEDS: Mapping[Rule, int] = {Rule.CAREFUL: 5, Rule.GREEDY: 3}
"""Runs of the baseline for other objectives, whose noise only these runs tell."""

MAX_ELSEWHERE = 0.3  # the share of the cores' time that others may take while a run trains

ON_A_CPU = (*profiles.FOR_CPUS, profiles.AS_IS.name)
"""Profiles that may be named where a GPU is there and not used."""


@dataclass(frozen=True)
class Place:
    """Says what runs compute on: a cluster (`elsewhere`), `slots` of cores, or an accelerator."""

    elsewhere: bool
    slots: int
    accelerator: Accelerator | None


def begin(root: Path, options: Options) -> Settings:
    """Return the settings of a new campaign: as asked for, else what suits this machine.

    Raises:
        InputError: an option can't be met on this machine, or the notebook can't be used.
    """
    task_toml = None if options.task is None else task_file.read(root, options.task)
    if task_toml is not None:
        options = _for_task(options, task_toml)
    place = _place(options)
    suits = _suitable(options, place)
    profile = options.profile or _usual_profile(root, options, suits)
    dataset = options.dataset or "stdlib"
    text = None if task_toml else context.text_sizes(dataset, suits)
    task = task_toml.task if task_toml else LANGUAGE_MODELLING
    task = with_aims(task, options.objectives, options.bound)
    if not place.elsewhere:
        check_measured(task, place.accelerator)
    train_seconds, rule = options.train_seconds or 300.0, options.rule or Rule.CAREFUL
    clock = _clock(options, place)
    compile_seconds = options.compile_seconds
    if compile_seconds is None:
        compile_seconds = suits.compile_seconds
    allowance = wall_allowance(clock, train_seconds, compile_seconds)
    return Settings(
        dataset=dataset,
        train_seconds=train_seconds,
        wall_seconds=options.wall_seconds or allowance,
        compile_seconds=compile_seconds,
        memory_mb=_memory_mb(options, place),
        researcher=options.researcher or "optuna",
        profile=profile,
        rule=rule,
        seeds=_seeds(options.seeds, rule, task),
        max_elsewhere=options.max_elsewhere or MAX_ELSEWHERE,
        vocab_size=text.vocab_size if text else None,
        context=text.context if text else None,
        gpu_memory_mb=options.gpu_memory_mb,
        clock=clock,
        notebook=options.notebook or suits.notebook,
        devices=options.devices or devices.ALL,
        pool=options.pool or LOCAL,
        task=task,
        approve=bool(options.approve),
        aims=task_toml.aims if task_toml else "",
    )


def _for_task(options: Options, task_toml: TaskFile) -> Options:
    """Return the options with what a task's folder says, where nothing else was asked for."""
    folder = task_toml.task.folder
    if options.dataset is not None:
        raise InputError(f"--dataset is for language modelling; {folder} has its own data")
    if options.profile not in (None, profiles.AS_IS.name):
        raise InputError(
            f"--profile {options.profile} sets constants of the kit's own notebooks; {folder} has "
            "its own: leave it out"
        )
    return replace(
        options,
        dataset=folder,
        profile=profiles.AS_IS.name,
        notebook=options.notebook or f"{folder}/{layout.TRAIN_NOTEBOOK}",
        train_seconds=options.train_seconds or task_toml.train_seconds,
    )


def _place(options: Options) -> Place:
    """Return where runs are to be.

    Raises:
        InputError: an option that is needed there is missing, or a GPU can't be used.
    """
    slots = devices.parse(options.devices or devices.ALL).slots
    if is_elsewhere(options.pool):
        _check_named(options)
        return Place(elsewhere=True, slots=slots, accelerator=None)
    if options.gpu_memory_mb is not None and not gpu.reachable():
        raise InputError(
            f"--gpu-memory-mb is {options.gpu_memory_mb:g}, but no NVIDIA driver answers here that "
            "would say how much a run uses; leave it out"
        )
    if slots:
        return Place(elsewhere=False, slots=slots, accelerator=None)
    if options.profile not in ON_A_CPU:
        _check_gpu_is_used()
    return Place(elsewhere=False, slots=0, accelerator=machine_probe.accelerator())


def _check_named(options: Options) -> None:
    """Check that the profile is named where devices are a cluster's, which are not known yet.

    The clock too for a notebook's own constants, which say nothing of the devices.

    Raises:
        InputError: it is not; the message says which option to give.
    """
    if options.profile is None:
        known = ", ".join(profile.name for profile in profiles.PROFILES)
        raise InputError(
            f"--pool {options.pool}: the cluster's devices are not known before the start; name "
            f"the profile that suits them, with --profile and one of: {known}"
        )
    if options.profile == profiles.AS_IS.name and options.clock is None:
        raise InputError(
            f"--pool {options.pool}: the cluster's devices are not known before the start, and a "
            "notebook's own constants don't say what they are; give --clock wall for GPUs, cpu for "
            "CPUs"
        )


def _check_gpu_is_used() -> None:
    """Refuse a machine whose GPU torch does not use: the night would go by on its CPU."""
    if gpu_nodes.may_have_gpu() and (gap := machine_probe.unused_gpu(machine_probe.probe())):
        raise InputError(
            f"{gap}; autoresearch doctor says what to do. To train on the CPU all the same: "
            "--profile cpu"
        )


def _suitable(options: Options, place: Place) -> profiles.Profile:
    """Return the profile that is named, or else suits the place."""
    if options.profile not in (None, profiles.AS_IS.name):
        return profiles.find(options.profile)
    return profiles.choose(place.accelerator)


def _usual_profile(root: Path, options: Options, suits: profiles.Profile) -> str:
    """Return the profile whose constants the notebook gets where none is named.

    A notebook that is not the profile's, or whose constants somebody changed, keeps its own.
    """
    notebook = options.notebook or suits.notebook
    constants = context.read_notebook(root, notebook).constants()
    own = notebook != suits.notebook or not profiles.is_unchanged(constants)
    return profiles.AS_IS.name if own else suits.name


def _memory_mb(options: Options, place: Place) -> float:
    """Return the memory that a run may take; 0 on a cluster, whose slots tell it later."""
    if options.memory_mb is not None:
        return options.memory_mb
    share = context.MEMORY_SHARE / (place.slots or 1)
    return 0 if place.elsewhere else round(share * cgroups.memory_mb())


def _seeds(asked: int | None, rule: Rule, task: Task) -> int:
    """Return how often the baseline is run; InputError if once, and nothing else tells noise."""
    known = len(task.objectives) == 1 and task.objective == VAL_BPB
    if asked == 1 and rule is Rule.CAREFUL and not known:
        raise InputError(
            f"--seeds is 1; the noise of {', '.join(task.objectives)} is known from the runs of "
            f"the baseline only: give at least 2, or leave it out for {MORE_SEEDS[rule]}"
        )
    return asked or (SEEDS if known else MORE_SEEDS)[rule]


def _clock(options: Options, place: Place) -> Clock:
    """Return what the budget counts: CPU time where runs compute on a CPU, else the wall-clock.

    The profile that was named for a cluster's slots says what they are.
    """
    if place.elsewhere:
        return options.clock or (Clock.CPU if options.profile in ON_A_CPU else Clock.WALL)
    if place.accelerator is None:
        return options.clock or Clock.CPU
    if options.clock is Clock.CPU:
        raise InputError(
            "--clock cpu counts CPU time, but runs compute on a GPU here, which takes none; "
            "leave it out, or choose --clock wall"
        )
    return Clock.WALL
