"""The context of a campaign's experiments, determined once at its start."""

import io
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_kit.campaign.aims import check_measured
from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution import devices, machine_probe
from autoresearch_kit.execution.devices import Device
from autoresearch_kit.execution.local import Site
from autoresearch_kit.execution.pool import DataRef
from autoresearch_kit.execution.ray.messages import Report
from autoresearch_kit.execution.sandbox import bubblewrap, system
from autoresearch_kit.execution.sandbox.leak import find_leak, most_leak, too_much
from autoresearch_kit.execution.sandbox.visible_files import find_visible_files
from autoresearch_kit.files import kit_copy
from autoresearch_kit.files.paths import overlap
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine import profiles
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.refusals import find_refusals, imported_modules
from autoresearch_kit.records import (
    Clock,
    DatasetInfo,
    Fingerprint,
    Leak,
    Machine,
    SandboxLevel,
    Settings,
    TaskInfo,
    VisibleFiles,
)
from autoresearch_kit.tasks.kinds import kind_of, read_info
from autoresearch_kit.tasks.lm.dataset import is_path
from autoresearch_kit.tasks.lm.task import PREPARE_MODULE
from autoresearch_kit.tasks.measured.prepare import prepare_task
from autoresearch_kit.verdicts.comparable import check_comparable, fingerprint

logger = logging.getLogger(__name__)

MEMORY_SHARE = 0.8
"""The share of the memory that is there, by a cgroup where one bounds it, that a run may take."""

_PIECE = 64  # characters: few enough to show a progress bar as it grows


@dataclass(frozen=True)
class Context:
    """The settings, the prepared data, how scores are measured, and the notebook it began with.

    `devices` are this machine's, none where a cluster has the runs; `machine` and `fingerprint`
    are of the class that those which run share.
    `leak` is how much scored text runs can read; None without a sandbox, where that is all of it.
    """

    settings: Settings
    machine: Machine
    devices: tuple[Device, ...]
    site: Site
    info: DatasetInfo | TaskInfo
    fingerprint: Fingerprint
    baseline: TrainNotebook
    leak: Leak | None = None


def find_context(
    workspace: Workspace, history: History, settings: Settings, report: Report | None = None
) -> Context:
    """Determine the campaign's context; prepare the corpus where that was not yet done.

    `report` is of a cluster's slot that has the campaign's class; None: this machine has the runs.

    Raises:
        FingerprintError: scores measured here can't be compared with those in the history.
        KitError: the notebook, the corpus or torch is not usable, runs would not see the GPU, or
            could read scored text; the message says what to do.
    """
    dataset = prepare_for(workspace.root, settings)
    info = read_info(dataset)
    experiments = history.experiments()
    baseline = baseline_of(workspace, history, settings)
    visible = find_visible_files(info, settings.dataset, imports_of(baseline))
    check_places(workspace.root, dataset, visible)
    kit = kit_copy.digest(workspace.kit)
    if report is not None:
        check_profile(settings, report.machine)
        check_measured(settings.task, report.machine.gpu)
        memory_mb = settings.memory_mb or round(MEMORY_SHARE * report.machine.memory_mb)
        settings = replace(settings, memory_mb=memory_mb)
        site = Site(dataset, data_ref(info), kit, report.sandbox, visible)
        machine, here, leak = report.machine, report.fingerprint, report.leak
        return Context(settings, machine, (), site, info, here, baseline, leak)
    level = bubblewrap.level()
    before = experiments[0].fingerprint if experiments else None
    found = find_devices(settings, info, before)
    devices.check_inside(found, level)
    leak = check_leak(dataset, info, visible)
    site = Site(dataset, data_ref(info), kit, level, visible)
    machine, here = found[0].machine, found[0].fingerprint
    check_measured(settings.task, machine.gpu)
    return Context(settings, machine, found, site, info, here, baseline, leak)


def check_profile(settings: Settings, machine: Machine) -> None:
    """Check that the profile named for a cluster is for such devices as its slots have.

    Raises:
        InputError: it is for a CPU and they are GPUs, or the other way round.
    """
    profile, suits = settings.profile, machine.accelerator
    if profile != profiles.AS_IS.name and suits == (profile in profiles.FOR_CPUS):
        raise InputError(
            f"the cluster's slots are {machine.kind}s ({machine.device}), and --profile {profile} "
            "is not for these; start another tag with one that suits them"
        )
    if suits and settings.clock is Clock.CPU:
        raise InputError(
            f"the cluster's slots are GPUs ({machine.device}), and --clock cpu counts CPU time; "
            "start another tag with --clock wall"
        )


def data_ref(info: DatasetInfo | TaskInfo) -> DataRef:
    """Return what names a prepared data set in orders."""
    return DataRef(info.name, info.digest)


def baseline_of(workspace: Workspace, history: History, settings: Settings) -> TrainNotebook:
    """Return the notebook that the campaign began with, or begins with now.

    Raises:
        InputError: it can't be used, as `read_notebook` says.
    """
    if history.experiments():
        return TrainNotebook.parse(history.source(0))
    notebook = read_notebook(workspace.root, settings.notebook)
    return with_profile_constants(notebook, settings.profile)


def find_devices(
    settings: Settings, info: DatasetInfo | TaskInfo, before: Fingerprint | None
) -> tuple[Device, ...]:
    """Return the devices that the settings ask for, of one class: scores of others don't compare.

    That is the class of `before`, of the campaign's experiments so far, else the most numerous one;
    the others are logged.

    Raises:
        FingerprintError: there is none of the campaign's class; the message says what differs.
        KitError: there are too few devices, or torch does not work.
    """
    version = kind_of(info).scoring_version
    found = devices.find(
        devices.parse(settings.devices),
        lambda machine: fingerprint(info, machine, version, settings.clock),
    )
    counts = Counter(device.fingerprint for device in found)
    chosen = counts.most_common(1)[0][0]
    if before is not None:
        chosen = before if before in counts else chosen
        check_comparable(before, chosen)
    for device in found:
        if device.fingerprint != chosen:
            logger.warning(
                "%s (%s) is left out: this campaign's scores are of: %s",
                device.name,
                device.machine.device,
                chosen.device,
            )
    return tuple(device for device in found if device.fingerprint == chosen)


def imports_of(notebook: TrainNotebook) -> list[str]:
    """Return the modules of other packages that a notebook imports."""
    known = {"autoresearch_kit", *sys.stdlib_module_names}
    return [name for name in imported_modules(notebook.cells) if name not in known]


def check_places(root: Path, dataset: Path, visible: VisibleFiles) -> None:
    """Refuse a project or data folder inside what runs see of this machine.

    Its task's hidden folder is in the first, its prepared copy in the second.

    Raises:
        InputError: it is so; the message says where to.
    """
    if bubblewrap.level() is SandboxLevel.NONE:
        return
    for what, folder, way_out in (
        ("the project", root, "move it to a folder of your own"),
        ("the campaigns' folder", root / ".autoresearch", "move it back into the project"),
        ("the folder of prepared data sets", dataset.parent, "set AUTORESEARCH_DATA to another"),
    ):
        if shown := system.shown_around(folder.resolve()):
            raise InputError(
                f"{what}, {folder}, lies inside {shown}, of which runs see a part; {way_out}"
            )
        for path in visible.shown:
            if overlap(path, folder.resolve()):
                raise InputError(
                    f"the task sees {path}, and {what} is {folder}: it could read hidden data; "
                    "have it see a folder elsewhere"
                )


def check_leak(dataset: Path, info: DatasetInfo | TaskInfo, visible: VisibleFiles) -> Leak | None:
    """Measure how much scored text, or hidden data, runs can read; None without a sandbox: all.

    Raises:
        KitError: it is too much; the message names the largest copies.
    """
    if bubblewrap.level() is SandboxLevel.NONE:
        return None
    leak = find_leak(dataset, visible)
    if leak.share > most_leak(info):
        raise KitError(too_much(leak, info))
    return leak


def read_notebook(root: Path, name: str) -> TrainNotebook:
    """Return the training notebook `name` of the project at `root`, as it is on disk.

    Raises:
        InputError: there is none, it lacks a cell that the kit needs, or it seeds with a constant,
            with which its runs would show no noise.
    """
    path = root / name
    if not path.exists():
        raise InputError(
            f"no {name} in {root}; run inside a checkout of autoresearch_kit, copy its {name} "
            "here, or name the training notebook: autoresearch run TAG --notebook FILE"
        )
    notebook = TrainNotebook.read(path)
    if refused := next(iter(find_refusals(notebook.cells)), None):
        raise InputError(f"{name}: {refused}")
    return notebook


def with_profile_constants(notebook: TrainNotebook, profile: str) -> TrainNotebook:
    """Return the notebook with the profile's constants, as far as it has them."""
    has = notebook.constants()
    wanted = profiles.find(profile).constants
    return notebook.set_constants({name: wanted[name] for name in wanted if name in has})


def text_sizes(corpus: str, profile: profiles.Profile | None = None) -> profiles.TextSizes | None:
    """Return the sizes to prepare a corpus of the user's own with, by its path; None for others.

    Without a profile, they are those of this machine's.

    Raises:
        KitError: there is a GPU, and torch does not work.
    """
    if not is_path(corpus):
        return None
    return (profile or profiles.choose(machine_probe.accelerator())).text


def size_options(vocab_size: int | None, context: int | None) -> list[str]:
    """Return the options of `prepare` that ask for these sizes, as far as they are given."""
    asked = {"--vocab-size": vocab_size, "--context": context}
    return [f"{name}={size}" for name, size in asked.items() if size is not None]


def prepare_for(root: Path, settings: Settings) -> Path:
    """Prepare a campaign's task in the project at `root`; return the prepared folder.

    A corpus is prepared with the sizes it was started with, as `prepare` does.
    """
    if settings.task.folder:
        return prepare_task(root, settings.task.folder)
    return prepare(settings.dataset, *size_options(settings.vocab_size, settings.context))


def prepare(corpus: str, *options: str, tell: Callable[[str], object] | None = None) -> Path:
    """Prepare a corpus in a process of its own, since that loads much; returns its folder.

    Its progress goes to `tell`, piece by piece, or to stderr. Quick where it was done before.

    Raises:
        KitError: as the process said in its last line.
    """
    argv = [sys.executable, "-P", "-m", PREPARE_MODULE, corpus, *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe if tell else None) as process:
        if tell and process.stderr:
            stderr = io.TextIOWrapper(process.stderr, newline="")  # keeps a bar's carriage returns
            while piece := stderr.read(_PIECE):
                tell(piece)
        said = process.communicate()[0].decode().strip().splitlines()
    said = said or [f"corpus '{corpus}' was not prepared; see above"]
    if process.returncode != 0:
        raise KitError(said[-1].removeprefix("error: "))
    return Path(said[-1])
