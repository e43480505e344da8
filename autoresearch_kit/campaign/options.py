"""Settings of a campaign: checked once at its start, then the same for its life."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from autoresearch_kit.campaign import context
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.runner.clock import PATIENCE, STARTUP_SECONDS, wall_allowance
from autoresearch_kit.files.paths import data_home
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine import cgroups, gpu, gpu_nodes, profiles
from autoresearch_kit.records import Accelerator, Clock, Limits, Rule, Settings
from autoresearch_kit.researchers import check_name
from autoresearch_kit.tasks.lm.dataset import INFO_FILE, is_path

SEEDS: Mapping[Rule, int] = {Rule.CAREFUL: 3, Rule.GREEDY: 1}
"""How often the baseline is run."""

MAX_ELSEWHERE = 0.3
"""The share of the cores' time that others may take while a run trains."""

ON_A_CPU = ("cpu", "cpu-eager", profiles.AS_IS.name)
"""Profiles that may be named where a GPU is there and not used."""

MEMORY_SHARE = 0.8
"""The share of the memory that is there, by a cgroup where one bounds it, that a run may take."""


@dataclass(frozen=True)
class Wishes:
    """Wishes of the user; None where nothing was said."""

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


def settle(root: Path, tag: str, wishes: Wishes) -> Settings:
    """Return the settings of campaign `tag`: as it was started, else as wished, else the defaults.

    Raises:
        InputError: a number is out of bounds, or a wish differs from what the campaign was
            started with; or the campaign is new and there is no training notebook.
    """
    wishes = _in_the_project(root, _absolute(wishes))
    _check(wishes)
    started = started_with(root, tag)
    if started is None:
        return _fill(root, wishes)
    if wishes.max_elsewhere is not None and not History(root, tag).experiments():
        started = replace(started, max_elsewhere=wishes.max_elsewhere)  # nothing is judged yet
    _refuse_changes(tag, started, wishes)
    return started


def settle_limits(
    experiments: int | None, hours: float | None, tokens: int | None, usd: float | None
) -> Limits:
    """When the campaign is to end by itself.

    Raises:
        InputError: a number is out of bounds.
    """
    if experiments is not None and experiments < 1:
        raise InputError(f"--max-experiments is {experiments}; it must be at least 1")
    if hours is not None and not hours > 0:
        raise InputError(f"--hours is {hours:g}; it must be more than 0")
    if tokens is not None and tokens < 1:
        raise InputError(f"--max-tokens is {tokens}; it must be at least 1")
    if usd is not None and not usd > 0:
        raise InputError(f"--max-usd is {usd:g}; it must be more than 0")
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


def _absolute(wishes: Wishes) -> Wishes:
    """Make a path absolute, so that it means the same in whichever folder the campaign goes on.

    The folder of a prepared data set, which `prepare` prints, means that data set.
    """
    if wishes.dataset is None or not is_path(wishes.dataset):
        return wishes
    path = Path(wishes.dataset).expanduser().resolve()
    prepared = path.parent == data_home().resolve() and (path / INFO_FILE).exists()
    return replace(wishes, dataset=path.name if prepared else str(path))


def _in_the_project(root: Path, wishes: Wishes) -> Wishes:
    """Return the wishes with the notebook's path from the top of the project.

    Raises:
        InputError: the notebook lies elsewhere.
    """
    if wishes.notebook is None:
        return wishes
    path, root = (root / wishes.notebook).resolve(), root.resolve()
    if not path.is_relative_to(root):
        raise InputError(
            f"--notebook is {path}, outside the project at {root}; bring it in: "
            f"autoresearch adopt --from {path}"
        )
    return replace(wishes, notebook=path.relative_to(root).as_posix())


def _check(wishes: Wishes) -> None:
    for name in ("train_seconds", "wall_seconds", "memory_mb", "gpu_memory_mb"):
        value = getattr(wishes, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{flag} is {value:g}; it must be more than 0, for example {flag} 300")
    compiling = wishes.compile_seconds
    if compiling is not None and not (math.isfinite(compiling) and compiling >= 0):
        raise InputError(
            f"--compile-seconds is {compiling:g}; it must be 0 or more, for example "
            "--compile-seconds 180"
        )
    if wishes.seeds is not None and wishes.seeds < 1:
        raise InputError(f"--seeds is {wishes.seeds}; it must be at least 1")
    if wishes.max_elsewhere is not None and not 0 < wishes.max_elsewhere <= 1:
        raise InputError(
            f"--max-elsewhere is {wishes.max_elsewhere:g}; it is a share, more than 0 and at most 1"
        )
    if wishes.researcher is not None:
        check_name(wishes.researcher)
    if wishes.train_seconds and wishes.wall_seconds and wishes.wall_seconds < wishes.train_seconds:
        raise InputError(
            f"--wall-seconds {wishes.wall_seconds:g} is less than the training budget of "
            f"{wishes.train_seconds:g} s; leave it out for 2 x budget + the compile seconds, "
            f"{PATIENCE:g} x both by the CPU clock, + {STARTUP_SECONDS:g} s"
        )


def _fill(root: Path, wishes: Wishes) -> Settings:
    if wishes.gpu_memory_mb is not None and not gpu.reachable():
        raise InputError(
            f"--gpu-memory-mb is {wishes.gpu_memory_mb:g}, but no NVIDIA driver answers here that "
            "would say how much a run uses; leave it out"
        )
    if wishes.profile not in ON_A_CPU:
        _check_gpu_is_used()
    train_seconds = wishes.train_seconds or 300.0
    dataset, accelerator = wishes.dataset or "stdlib", machine_probe.accelerator()
    suits = profiles.choose(accelerator)
    if wishes.profile not in (None, profiles.AS_IS.name):
        suits = profiles.find(wishes.profile)
    notebook = wishes.notebook or suits.notebook
    profile = _profile(root, wishes, suits, notebook)
    text = context.text_sizes(dataset, suits)
    compile_seconds = wishes.compile_seconds
    if compile_seconds is None:
        compile_seconds = suits.compile_seconds
    clock = _clock(wishes, accelerator)
    allowance = wall_allowance(clock, train_seconds, compile_seconds)
    return Settings(
        dataset=dataset,
        train_seconds=train_seconds,
        wall_seconds=wishes.wall_seconds or allowance,
        compile_seconds=compile_seconds,
        memory_mb=wishes.memory_mb or round(MEMORY_SHARE * cgroups.memory_mb()),
        researcher=wishes.researcher or "optuna",
        profile=profile.name,
        rule=wishes.rule or Rule.CAREFUL,
        seeds=wishes.seeds or SEEDS[wishes.rule or Rule.CAREFUL],
        max_elsewhere=MAX_ELSEWHERE if wishes.max_elsewhere is None else wishes.max_elsewhere,
        vocab_size=text.vocab_size if text else None,
        context=text.context if text else None,
        gpu_memory_mb=wishes.gpu_memory_mb,
        clock=clock,
        notebook=notebook,
    )


def _clock(wishes: Wishes, accelerator: Accelerator | None) -> Clock:
    """Return what the budget counts: CPU time where runs compute on a CPU, if not told otherwise.

    Raises:
        InputError: CPU time is asked for where runs compute on a GPU.
    """
    if accelerator is None:
        return wishes.clock or Clock.CPU
    if wishes.clock is Clock.CPU:
        raise InputError(
            "--clock cpu counts CPU time, but runs compute on a GPU here, which takes none; "
            "leave it out, or choose --clock wall"
        )
    return Clock.WALL


def _check_gpu_is_used() -> None:
    """Refuse to train on the CPU of a machine that has a GPU, unless that was asked for.

    Raises:
        InputError: a GPU's driver is here, but torch uses none.
    """
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


def _refuse_changes(tag: str, started: Settings, wishes: Wishes) -> None:
    for field in fields(wishes):
        wish, is_now = getattr(wishes, field.name), getattr(started, field.name)
        if wish is not None and wish != is_now:
            flag = "--" + field.name.replace("_", "-")
            was = f"without {flag}" if is_now is None else f"with {flag} {is_now}"
            raise InputError(
                f"campaign '{tag}' was started {was}, and {wish} would make its "
                "scores incomparable; leave it out, or choose another tag"
            )
