"""Settings of a campaign: decided once at its start, then the same for its life."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from autoresearch_kit.campaign import context
from autoresearch_kit.campaign.aims import check_measured, names_in, with_aims
from autoresearch_kit.campaign.pools import LOCAL, is_elsewhere
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import devices, machine_probe
from autoresearch_kit.execution.runner.clock import PATIENCE, STARTUP_SECONDS, wall_allowance
from autoresearch_kit.files.paths import checked, data_home
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine import cgroups, gpu, gpu_nodes, profiles
from autoresearch_kit.records import (
    LANGUAGE_MODELLING,
    VAL_BPB,
    Accelerator,
    Clock,
    Limits,
    Rule,
    Settings,
    Task,
)
from autoresearch_kit.researchers import check_name
from autoresearch_kit.tasks.lm.dataset import INFO_FILE, is_path
from autoresearch_kit.tasks.measured import layout, task_file
from autoresearch_kit.tasks.measured.task_file import TaskFile
from autoresearch_kit.tasks.measured.toml_table import LARGEST

SEEDS: Mapping[Rule, int] = {Rule.CAREFUL: 3, Rule.GREEDY: 1}
"""Runs of the baseline, for `val_bpb`: how much that varies was measured before."""

MORE_SEEDS: Mapping[Rule, int] = {Rule.CAREFUL: 5, Rule.GREEDY: 3}
"""Runs of the baseline for other objectives, whose noise only these runs tell."""

MAX_ELSEWHERE = 0.3
"""The share of the cores' time that others may take while a run trains."""

ON_A_CPU = (*profiles.FOR_CPUS, profiles.AS_IS.name)
"""Profiles that may be named where a GPU is there and not used."""

LEAST_PROMPT = 4_000
"""Tokens below which a prompt could not say what is needed."""

MOST_PROBES = 10
"""Probes of a proposal: more would take longer than what they prepare."""

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
"""For each option that is a number, what is allowed."""


@dataclass(frozen=True)
class Wishes:
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


def settle(root: Path, tag: str, wishes: Wishes) -> Settings:
    """Return the settings of campaign `tag`: as it was started, else as wished, else the defaults.

    Raises:
        InputError: a number is out of bounds, or a wish differs from what the campaign was
            started with; or the campaign is new and there is no training notebook.
    """
    wishes = replace(
        wishes,
        task=None if wishes.task is None else task_in_project(root, wishes.task),
        dataset=_absolute_dataset(wishes.dataset),
        notebook=_notebook_in_project(root, wishes.notebook),
        objectives=None if wishes.objectives is None else ",".join(names_in(wishes.objectives)),
    )
    _check(wishes)
    started = started_with(root, tag)
    return begin(root, wishes) if started is None else resume(root, tag, started, wishes)


def settle_limits(
    experiments: int | None, hours: float | None, tokens: int | None, usd: float | None
) -> Limits:
    """Return when the campaign is to end by itself.

    Raises:
        InputError: a number is out of bounds.
    """
    check_bounds(
        {"max_experiments": experiments, "hours": hours, "max_tokens": tokens, "max_usd": usd}
    )
    return Limits(experiments, hours, tokens, usd)


def started_with(root: Path, tag: str) -> Settings | None:
    """Return what campaign `tag` was started with, here or where it was fetched from; None if new.

    Raises:
        InputError: what is written down here is damaged, and there is no experiment yet.
    """
    experiments = History(root, tag).experiments()
    try:
        here = Workspace(root, tag).settings()
    except InputError:
        if not experiments:
            raise
        here = None  # it is written anew at the start
    return here or (experiments[0].settings if experiments else None)


def resume(root: Path, tag: str, started: Settings, wishes: Wishes) -> Settings:
    """Return the settings of a campaign that goes on: those that it was started with.

    Raises:
        InputError: a wish differs from them, which would make scores incomparable.
    """
    started = replace(
        started,
        devices=wishes.devices or started.devices,
        pool=wishes.pool or started.pool,
    )
    if wishes.max_elsewhere is not None and not History(root, tag).experiments():
        started = replace(started, max_elsewhere=wishes.max_elsewhere)  # nothing is judged yet
    if wishes.bound:
        raise InputError(
            f"campaign '{tag}' was started already; add a bound to it with: autoresearch bound "
            f"{tag} '{wishes.bound[0]}'"
        )
    task = started.task
    _check_unchanged(root, tag, task)
    of_task = {"task": task.folder or None, "objectives": ",".join(task.objectives), "bound": None}
    if wishes.approve and not started.approve:
        raise InputError(
            f"campaign '{tag}' was started without --approve, and its keeps were built on; leave "
            "it out, or choose another tag"
        )
    for field in fields(wishes):
        wish, name = getattr(wishes, field.name), field.name
        is_now = of_task[name] if name in of_task else getattr(started, name)
        if wish is not None and wish != is_now:
            option = flag(field.name)
            was = f"without {option}" if is_now is None else f"with {option} {is_now}"
            raise InputError(
                f"campaign '{tag}' was started {was}, and {wish} would make its "
                "scores incomparable; leave it out, or choose another tag"
            )
    return started


def _check_unchanged(root: Path, tag: str, task: Task) -> None:
    """Refuse a task.toml with other aims than a campaign was begun with that has no baseline yet.

    One that has is told by its fingerprint.

    Raises:
        InputError: it is so; the message says how to begin anew.
    """
    there = task.folder and (root / task.folder / layout.TASK_FILE).exists()
    if not there or History(root, tag).experiments():
        return
    told = task_file.read(root, task.folder).task
    if (told.metrics, told.trusted) != (task.metrics, task.trusted):
        raise InputError(
            f"{task.folder}/{layout.TASK_FILE} has other metrics than when campaign '{tag}' was "
            f"begun, which has no baseline yet; begin it anew: autoresearch delete {tag}, then run "
            "it again with its options"
        )


def begin(root: Path, wishes: Wishes) -> Settings:
    """Return the settings of a new campaign: as wished, else what suits this machine.

    Raises:
        InputError: a wish can't be met on this machine, or the notebook can't be used.
    """
    told = None if wishes.task is None else task_file.read(root, wishes.task)
    if told is not None:
        wishes = _for_task(wishes, told)
    elsewhere = is_elsewhere(wishes.pool)
    if elsewhere:
        _check_named(wishes)
    elif wishes.gpu_memory_mb is not None and not gpu.reachable():
        raise InputError(
            f"--gpu-memory-mb is {wishes.gpu_memory_mb:g}, but no NVIDIA driver answers here that "
            "would say how much a run uses; leave it out"
        )
    asked = devices.parse(wishes.devices or devices.ALL)
    if wishes.profile not in ON_A_CPU and not asked.slots and not elsewhere:
        _check_gpu_is_used()
    train_seconds, rule = wishes.train_seconds or 300.0, wishes.rule or Rule.CAREFUL
    dataset = wishes.dataset or "stdlib"
    accelerator = None if asked.slots or elsewhere else machine_probe.accelerator()
    suits = profiles.choose(accelerator)
    if wishes.profile not in (None, profiles.AS_IS.name):
        suits = profiles.find(wishes.profile)
    notebook = wishes.notebook or suits.notebook
    profile = _profile(root, wishes, suits, notebook)
    text = None if told else context.text_sizes(dataset, suits)
    compile_seconds = wishes.compile_seconds
    if compile_seconds is None:
        compile_seconds = suits.compile_seconds
    clock = _clock_elsewhere(wishes) if elsewhere else _clock(wishes, accelerator)
    memory_mb = wishes.memory_mb
    if memory_mb is None:  # a cluster's slots tell theirs at the start
        share = context.MEMORY_SHARE / (asked.slots or 1)
        memory_mb = 0 if elsewhere else round(share * cgroups.memory_mb())
    task = told.task if told else LANGUAGE_MODELLING
    task = with_aims(task, wishes.objectives, wishes.bound)
    if not elsewhere:
        check_measured(task, accelerator)
    allowance = wall_allowance(clock, train_seconds, compile_seconds)
    return Settings(
        dataset=dataset,
        train_seconds=train_seconds,
        wall_seconds=wishes.wall_seconds or allowance,
        compile_seconds=compile_seconds,
        memory_mb=memory_mb,
        researcher=wishes.researcher or "optuna",
        profile=profile.name,
        rule=rule,
        seeds=_seeds(wishes.seeds, rule, task),
        max_elsewhere=wishes.max_elsewhere or MAX_ELSEWHERE,
        vocab_size=text.vocab_size if text else None,
        context=text.context if text else None,
        gpu_memory_mb=wishes.gpu_memory_mb,
        clock=clock,
        notebook=notebook,
        devices=wishes.devices or devices.ALL,
        pool=wishes.pool or LOCAL,
        task=task,
        approve=bool(wishes.approve),
    )


def _seeds(wished: int | None, rule: Rule, task: Task) -> int:
    """Return how often the baseline is run.

    Raises:
        InputError: it is once, and nothing else tells the noise.
    """
    known = len(task.objectives) == 1 and task.objective == VAL_BPB
    if wished == 1 and rule is Rule.CAREFUL and not known:
        raise InputError(
            f"--seeds is 1; the noise of {', '.join(task.objectives)} is known from the runs of "
            f"the baseline only: give at least 2, or leave it out for {MORE_SEEDS[rule]}"
        )
    return wished or (SEEDS if known else MORE_SEEDS)[rule]


def _for_task(wishes: Wishes, told: TaskFile) -> Wishes:
    """Return the wishes with what a task's folder says, where nothing else was wished.

    Raises:
        InputError: a wish is for language modelling only.
    """
    folder = told.task.folder
    if wishes.dataset is not None:
        raise InputError(f"--dataset is for language modelling; {folder} has its own data")
    if wishes.profile not in (None, profiles.AS_IS.name):
        raise InputError(
            f"--profile {wishes.profile} sets constants of the kit's own notebooks; {folder} has "
            "its own: leave it out"
        )
    return replace(
        wishes,
        dataset=folder,
        profile=profiles.AS_IS.name,
        notebook=wishes.notebook or f"{folder}/{layout.TRAIN_NOTEBOOK}",
        train_seconds=wishes.train_seconds or told.train_seconds,
    )


def task_in_project(root: Path, task: str) -> str:
    """Return a task's folder as its path in the project.

    Raises:
        InputError: it is not in the project, or is all of it, or its path can't stand in records.
    """
    path, root = checked((root / task).resolve(), "the task's folder"), root.resolve()
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


def _check(wishes: Wishes) -> None:
    check_bounds(vars(wishes))
    if wishes.devices is not None:
        devices.check(devices.parse(wishes.devices))
    if wishes.researcher is not None:
        check_name(wishes.researcher)
    if wishes.train_seconds and wishes.wall_seconds and wishes.wall_seconds < wishes.train_seconds:
        raise InputError(
            f"--wall-seconds {wishes.wall_seconds:g} is less than the training budget of "
            f"{wishes.train_seconds:g} s; leave it out for 2 x budget + the compile seconds, "
            f"{PATIENCE:g} x both by the CPU clock, + {STARTUP_SECONDS:g} s"
        )


def _clock(wishes: Wishes, accelerator: Accelerator | None) -> Clock:
    """Return what the budget counts: CPU time where runs compute on a CPU, else the wall-clock."""
    if accelerator is None:
        return wishes.clock or Clock.CPU
    if wishes.clock is Clock.CPU:
        raise InputError(
            "--clock cpu counts CPU time, but runs compute on a GPU here, which takes none; "
            "leave it out, or choose --clock wall"
        )
    return Clock.WALL


def _clock_elsewhere(wishes: Wishes) -> Clock:
    """Return what the budget counts on a cluster, by the profile that was named for its slots."""
    usual = Clock.CPU if wishes.profile in ON_A_CPU else Clock.WALL
    return wishes.clock or usual


def _check_named(wishes: Wishes) -> None:
    """Check that the profile is named where devices are a cluster's, which are not known yet.

    The clock too for a notebook's own constants, which say nothing of the devices.

    Raises:
        InputError: it is not; the message says which option to give.
    """
    if wishes.profile is None:
        known = ", ".join(profile.name for profile in profiles.PROFILES)
        raise InputError(
            f"--pool {wishes.pool}: the cluster's devices are not known before the start; name "
            f"the profile that suits them, with --profile and one of: {known}"
        )
    if wishes.profile == profiles.AS_IS.name and wishes.clock is None:
        raise InputError(
            f"--pool {wishes.pool}: the cluster's devices are not known before the start, and a "
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


def _profile(
    root: Path, wishes: Wishes, suits: profiles.Profile, notebook: str
) -> profiles.Profile:
    """Return the profile whose constants the notebook gets; `suits` is this machine's.

    A notebook that is not the profile's, or whose constants somebody changed, keeps its own.
    """
    if wishes.profile:
        return profiles.find(wishes.profile)
    constants = context.read_notebook(root, notebook).constants()
    own = notebook != suits.notebook or not profiles.is_unchanged(constants)
    return profiles.AS_IS if own else suits
