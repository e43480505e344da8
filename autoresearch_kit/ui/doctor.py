"""Examine what this machine can do for a campaign, and say how to close each gap."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from autoresearch_kit.campaign.context import MOST_LEAK, check_places, read_notebook, sight_of
from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.execution.sandbox.leak import find_leak
from autoresearch_kit.files import paths
from autoresearch_kit.ledger import History, find_root
from autoresearch_kit.machine import profiles
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Machine, SandboxLevel
from autoresearch_kit.tasks.lm.dataset import open_dataset
from autoresearch_kit.ui import colab

LEAST_GIT = (2, 36)
"""The first version that can sync every object it writes (`core.fsync`)."""

WITH_BUBBLEWRAP = (
    "notebook code sees this Python, its training text and its own folder; no network, no "
    "home, no git, no scored text, no other process. Not covered: flaws in Linux and in the GPU's "
    "driver, which it shares"
)
WITHOUT = (
    "notebook code runs as you. Covered: keys are not in its environment, another process measures "
    "the score, its time and memory are limited, and processes it started are ended. Not covered: "
    "it can read your files and the scored text, write to git, and use the network"
)
REFUSE = "to refuse to run without: autoresearch run TAG --sandbox require"

CUDA = "install a torch for it, or a newer driver: https://pytorch.org/get-started/locally"

TRY = "to try it where runs are: autoresearch doctor"

COMPILERS = "install compilers: apt install gcc g++; or do without: --profile cpu-eager"
"""Triton needs a C compiler, torch on a CPU a C++ compiler."""

TRY_FIRST = (
    "try a short run before a night: autoresearch run trial --max-experiments 1; or begin with the "
    "CPU's small model: --profile cpu"
)
"""Advice for an untested profile."""


@dataclass(frozen=True)
class Finding:
    """One result; `advice` is empty where nothing needs to be done."""

    what: str
    found: str
    advice: str = ""


class Findings(list[Finding]):
    """All results; as the last expression of a cell they are shown as a table."""

    def _repr_html_(self) -> str:
        rows = [
            ("\u26a0 gap" if each.advice else "\u2713 ok", each.what, each.found, each.advice)
            for each in self
        ]
        table = pd.DataFrame(rows, columns=["", "what", "found", "to do"]).style
        table.hide(axis="index").format(escape="html")
        table.set_table_styles([{"selector": "th, td", "props": "text-align: left"}])
        return table.to_html()


def examine(folder: Path, *, try_compile: bool = False) -> Findings:
    """Examine everything that a campaign started in `folder` would use.

    Torch is loaded in another process. With `try_compile` a small function is compiled where runs
    would compile, which takes a while.
    """
    where = [_colab()] if colab.on_colab() else []
    rest = [_sandbox(), *_project(folder), _corpora(), *_leaks(folder), _lab(), _key()]
    return Findings([*where, *_hardware(try_compile), *rest])


def _colab() -> Finding:
    return Finding(
        "colab",
        "a session ends after some hours, and its disk is lost",
        "mount your Drive; autoresearch run TAG --copy-to /content/drive/MyDrive/autoresearch",
    )


def _hardware(try_compile: bool) -> Iterator[Finding]:
    """Yield what torch sees; device, precision and compiler as runs see them, in the sandbox."""
    try:
        probed = machine_probe.probe()
        inside = machine_probe.probe_inside(probed.gpu, bubblewrap.level(), try_compile=try_compile)
    except KitError as error:
        yield Finding("torch", "not usable", str(error))
        return
    yield Finding("python", f"{probed.python} on {probed.system}")
    yield Finding("torch", probed.torch)
    yield _device(probed, inside)
    yield Finding("precision", inside.precision)
    yield _profile(profiles.choose(probed.gpu))
    yield _compiler(inside, tried=try_compile)
    yield Finding("memory", f"{probed.memory_mb / 1000:.0f} GB, {probed.cores} cores")


def _profile(profile: profiles.Profile) -> Finding:
    found = f"{profile.name}: {profile.machine}; {profile.notebook}"
    if profile.tested:
        return Finding("profile", found)
    return Finding("profile", f"{found}; untested on such a machine", TRY_FIRST)


def _device(probed: Machine, inside: Machine) -> Finding:
    found = f"{inside.kind}: {inside.device}"
    if gap := machine_probe.difference(probed, inside):
        return Finding("device", f"{found}; runs would not begin", gap)
    if gap := machine_probe.unused_gpu(probed):
        return Finding("device", f"{found}; {gap}", CUDA)
    return Finding("device", found)


def _compiler(probed: Machine, *, tried: bool) -> Finding:
    if probed.compiles:
        return Finding("torch.compile", "works, in the sandbox" if tried else "not tried; " + TRY)
    if probed.no_compile:
        return Finding("torch.compile", f"fails in the sandbox: {probed.no_compile}", COMPILERS)
    if probed.gpu:
        return Finding("torch.compile", "not used on this GPU")
    return Finding("torch.compile", "no C++ compiler", "install one: apt install g++")


def _sandbox() -> Finding:
    gap = bubblewrap.why_not()
    if not gap:
        return Finding("sandbox", f"bubblewrap: {WITH_BUBBLEWRAP}")
    return Finding("sandbox", f"{gap}: {WITHOUT}", f"{bubblewrap.way_out()}; {REFUSE}")


def _project(folder: Path) -> Iterator[Finding]:
    yield _git()
    try:
        root = find_root(folder)
        History(root, "doctor").check()
        notebook = _notebook(root)
    except KitError as error:
        yield Finding("project", "not usable", str(error))
    else:
        cells = ", ".join(notebook.editable)
        yield Finding("project", f"{root}; the researcher may edit {cells}")


def _git() -> Finding:
    if shutil.which("git") is None:
        return Finding("git", "missing", "install it: apt install git")
    done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    version = done.stdout.split()[2]
    if tuple(map(int, version.split(".")[:2])) < LEAST_GIT:
        return Finding("git", version, "install 2.36 or later")
    return Finding("git", version)


def _corpora() -> Finding:
    home = paths.data_home()
    prepared = sorted(path.parent.name for path in home.glob("*/dataset.json"))
    if prepared:
        return Finding("corpora", f"{', '.join(prepared)} in {home}")
    advice = "`run` does it, or now: autoresearch prepare stdlib (or climbmix, tinystories, a file)"
    return Finding("corpora", "none prepared", advice)


def _leaks(folder: Path) -> Iterator[Finding]:
    """Yield how much scored text runs can read, for each prepared data set."""
    prepared = sorted(path.parent for path in paths.data_home().glob("*/dataset.json"))
    if bubblewrap.level() is SandboxLevel.NONE:
        if prepared:
            yield Finding("scored text", "runs can read all of it", bubblewrap.way_out())
        return
    for dataset in prepared:
        try:
            info = open_dataset(dataset).info
            check_places(folder, dataset)
            leak = find_leak(dataset, sight_of(info, info.name, _baseline(folder)))
        except KitError as error:
            yield Finding("scored text", f"of {dataset.name}: not measured", str(error))
        else:
            largest = f"remove the largest copies, in {leak.largest}"
            advice = largest if leak.share > MOST_LEAK else ""
            yield Finding("scored text", f"of {dataset.name}: {leak}", advice)


def _baseline(folder: Path) -> TrainNotebook | None:
    """Return the project's notebook, or None if it has none that can be used."""
    try:
        return _notebook(find_root(folder))
    except KitError:
        return None


def _notebook(root: Path) -> TrainNotebook:
    """Return the training notebook that a campaign would begin with."""
    return read_notebook(root, profiles.choose(machine_probe.accelerator()).notebook)


def _lab() -> Finding:
    if importlib.util.find_spec("jupyterlab"):
        return Finding("jupyterlab", "installed")
    return Finding("jupyterlab", "missing", "pip install 'autoresearch_kit[lab]'")


def _key() -> Finding:
    """Look for a language model's key; without one, optuna proposes."""
    where = os.environ.get("OPENAI_BASE_URL") or "OpenAI"
    if os.environ.get("OPENAI_API_KEY"):
        return Finding(
            "language model", f"a key for {where}; use it: --researcher llm --model NAME"
        )
    if os.environ.get("OPENAI_BASE_URL"):
        return Finding("language model", f"{where}, without a key: --researcher llm --model NAME")
    return Finding("language model", "neither OPENAI_API_KEY nor OPENAI_BASE_URL: optuna proposes")
