"""Examine what this machine can do for a campaign, and say how to close each gap."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pandas.io.formats.style_render import CSSDict

from autoresearch_kit.campaign.context import check_places, imports_of, read_notebook
from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.execution.sandbox.leak import MOST_LEAK, find_leak
from autoresearch_kit.execution.sandbox.visible_files import find_visible_files
from autoresearch_kit.files import paths
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.ledger import History, find_root
from autoresearch_kit.machine import profiles
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Machine, SandboxLevel
from autoresearch_kit.tasks.lm.dataset import open_dataset
from autoresearch_kit.tasks.measured import layout
from autoresearch_kit.ui import colab

LEAST_GIT = (2, 36)  # the first version that can sync every object it writes (`core.fsync`)

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


@dataclass(frozen=True)
class Finding:
    """A finding about this machine; `advice` is empty where nothing needs to be done."""

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
        left = CSSDict(selector="th, td", props="text-align: left")
        whole = CSSDict(selector="th, td:first-child", props="white-space: nowrap")
        table.set_table_styles([left, whole])
        return table.to_html()


def examine(folder: Path, *, try_compile: bool = False) -> Findings:
    """Examine everything that a campaign started in `folder` would use.

    Torch is loaded in another process. With `try_compile` a small function is compiled where runs
    would compile, which takes a while.
    """
    findings = Findings()
    if colab.on_colab():
        advice = (
            "mount your Drive; autoresearch run TAG --copy-to /content/drive/MyDrive/autoresearch"
        )
        said = "a session ends after some hours, and its disk is lost"
        findings.append(Finding("colab", said, advice))
    findings += [*_hardware(try_compile), _sandbox(), _git(), _project(folder)]
    findings += [*_corpora(folder), *_tasks(), _lab(), _key()]
    return findings


def _hardware(try_compile: bool) -> Iterator[Finding]:
    """Yield what torch sees; device, precision and compiler as runs see them, in the sandbox."""
    try:
        probed, *more = machine_probe.probe_all()
        inside = machine_probe.probe_inside(probed.gpu, bubblewrap.level(), try_compile=try_compile)
        seen = [machine_probe.probe_inside(each.gpu, bubblewrap.level()) for each in more]
    except KitError as error:
        yield Finding("torch", "not usable", str(error))
        return
    yield Finding("python", f"{probed.python} on {probed.system}")
    yield Finding("torch", probed.torch)
    yield _device("device", probed, inside)
    for number, pair in enumerate(zip(more, seen, strict=True), 1):
        yield _device(f"device {number}", *pair)
    yield Finding("precision", inside.precision)
    profile = profiles.choose(probed.gpu)
    known = f"{profile.name}: {profile.machine}; {profile.notebook}"
    if profile.tested:
        yield Finding("profile", known)
    else:
        advice = (
            "try a short run before a night: autoresearch run trial --max-experiments 1; or begin "
            "with the CPU's small model: --profile cpu"
        )
        yield Finding("profile", f"{known}; untested on such a machine", advice)
    yield _compiler(inside, tried=try_compile)
    yield Finding("memory", f"{probed.memory_mb / 1000:.0f} GB, {probed.cores} cores")


def _device(what: str, probed: Machine, inside: Machine) -> Finding:
    name = f"{inside.kind}: {inside.device}"
    if gap := machine_probe.difference(probed, inside):
        return Finding(what, f"{name}; runs would not begin", gap)
    if gap := machine_probe.unused_gpu(probed):
        advice = (
            "install a torch for it, or a newer driver: https://pytorch.org/get-started/locally"
        )
        return Finding(what, f"{name}; {gap}", advice)
    return Finding(what, name)


def _compiler(inside: Machine, *, tried: bool) -> Finding:
    # Triton needs a C compiler, torch on a CPU a C++ compiler
    if inside.compiles:
        untried = "not tried; to try it where runs are: autoresearch doctor"
        return Finding("torch.compile", "works, in the sandbox" if tried else untried)
    if inside.no_compile:
        advice = "install compilers: apt install gcc g++; or do without: --profile cpu-eager"
        return Finding("torch.compile", f"fails in the sandbox: {inside.no_compile}", advice)
    if inside.gpu:
        return Finding("torch.compile", "not used on this GPU")
    return Finding("torch.compile", "no C++ compiler", "install one: apt install g++")


def _sandbox() -> Finding:
    if gap := bubblewrap.why_not():
        refuse = "to refuse to run without: autoresearch run TAG --sandbox require"
        return Finding("sandbox", f"{gap}: {WITHOUT}", f"{bubblewrap.way_out()}; {refuse}")
    return Finding("sandbox", f"bubblewrap: {WITH_BUBBLEWRAP}")


def _git() -> Finding:
    if shutil.which("git") is None:
        return Finding("git", "missing", "install it: apt install git")
    done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    version = done.stdout.split()[2]
    old = tuple(map(int, version.split(".")[:2])) < LEAST_GIT
    return Finding("git", version, "install 2.36 or later" if old else "")


def _project(folder: Path) -> Finding:
    try:
        root = find_root(folder)
        History(root, "doctor").check()
        notebook = _notebook(root)
    except KitError as error:
        return Finding("project", "not usable", str(error))
    return Finding("project", f"{root}; the researcher may edit {', '.join(notebook.editable)}")


def _corpora(folder: Path) -> Iterator[Finding]:
    """Yield which data sets are prepared, and how much of their scored text runs can read."""
    home = paths.data_home()
    prepared = sorted(path.parent for path in home.glob("*/dataset.json"))
    if not prepared:
        advice = (
            "`run` does it, or now: autoresearch prepare stdlib (or climbmix, tinystories, a file)"
        )
        yield Finding("corpora", "none prepared", advice)
        return
    yield Finding("corpora", f"{', '.join(path.name for path in prepared)} in {home}")
    if bubblewrap.level() is SandboxLevel.NONE:
        yield Finding("scored text", "runs can read all of it", bubblewrap.way_out())
        return
    try:
        baseline = _notebook(find_root(folder))
    except KitError:
        baseline = None  # the project's own finding says why
    for dataset in prepared:
        try:
            info = open_dataset(dataset).info
            visible = find_visible_files(info, info.name, imports_of(baseline) if baseline else [])
            check_places(folder, dataset, visible)
            leak = find_leak(dataset, visible)
        except KitError as error:
            yield Finding("scored text", f"of {dataset.name}: not measured", str(error))
        else:
            largest = f"remove the largest copies, in {leak.largest}"
            advice = largest if leak.share > MOST_LEAK else ""
            yield Finding("scored text", f"of {dataset.name}: {leak}", advice)


def _tasks() -> Iterator[Finding]:
    """Yield how much the prepared copies of tasks take: one for each state of a task's folder."""
    home = paths.data_home()
    copies = [path.parent for path in home.glob(f"*/{layout.INFO_FILE}")]
    if copies:
        sizes = (path.stat().st_size for copy in copies for path in copy.rglob("*"))
        said = f"{len(copies)} prepared copies, {sum(sizes) / MEGABYTE:,.0f} MB in {home}"
        way_out = "remove any while no campaign runs, and the next start makes what it needs"
        yield Finding("tasks", f"{said}; {way_out}")


def _notebook(root: Path) -> TrainNotebook:
    """Return the training notebook that a campaign would begin with."""
    return read_notebook(root, profiles.choose(machine_probe.accelerator()).notebook)


def _lab() -> Finding:
    if importlib.util.find_spec("jupyterlab"):
        return Finding("jupyterlab", "installed")
    return Finding("jupyterlab", "missing", "pip install 'autoresearch_kit[lab]'")


def _key() -> Finding:
    """Look for a language model's key; without one, optuna proposes."""
    address, key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    use = "use it: --researcher llm --model NAME"
    if key:
        return Finding("language model", f"a key for {address or 'OpenAI'}; {use}")
    if address:
        return Finding("language model", f"{address}, without a key; {use}")
    return Finding("language model", "neither OPENAI_API_KEY nor OPENAI_BASE_URL: optuna proposes")
