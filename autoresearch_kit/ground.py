"""What every experiment of a campaign stands on, found out once at its start."""

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autoresearch_kit import codec, decide, machine, profiles
from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution import sandbox
from autoresearch_kit.fingerprint import fingerprint
from autoresearch_kit.history import NOTEBOOK, History
from autoresearch_kit.lm.dataset import is_path
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.refusals import find_refusals
from autoresearch_kit.records import DatasetInfo, Fingerprint, Machine, SandboxLevel, Settings
from autoresearch_kit.workspace import Workspace

LEAST_CORES = 4
"""With fewer, starting the next run beside the present one takes from training what it saves: on
two cores it was seen to halve training."""

_PIECE = 64  # characters: a bar is told before it is whole


@dataclass(frozen=True)
class Ground:
    """The settings, the prepared data, how scores are measured, and the notebook it began with."""

    settings: Settings
    machine: Machine
    dataset: Path
    info: DatasetInfo
    fingerprint: Fingerprint
    baseline: TrainNotebook
    sandbox: SandboxLevel

    @property
    def ahead(self) -> bool:
        """Whether there are cores to start what comes next while a run trains."""
        return self.machine.cores >= LEAST_CORES


def find_ground(workspace: Workspace, history: History, settings: Settings) -> Ground:
    """Find out what the campaign stands on; prepares the corpus where that was not yet done.

    Raises:
        FingerprintError: scores measured here can't be compared with those in the history.
        KitError: the notebook, the corpus or torch is not usable, or runs would not see the GPU;
            the message says what to do.
    """
    dataset = prepare_for(settings)
    info = codec.decode(DatasetInfo, (dataset / "dataset.json").read_bytes())
    found = machine.probe()
    machine.check_inside(found, sandbox.level())
    here = fingerprint(info, found, workspace.kit, settings.clock)
    experiments = history.experiments()
    if experiments:
        decide.check_comparable(experiments[0].fingerprint, here)
        baseline = TrainNotebook.parse(history.source(0))
    else:
        baseline = profiled(read_notebook(workspace.root), settings.profile)
    return Ground(settings, found, dataset, info, here, baseline, sandbox.level())


def read_notebook(root: Path) -> TrainNotebook:
    """Return the training notebook of the project at `root`, as it is on disk.

    Raises:
        InputError: there is none, it lacks a cell that the kit needs, or it seeds with a constant,
            with which its runs would show no noise.
    """
    path = root / NOTEBOOK
    if not path.exists():
        raise InputError(
            f"no {NOTEBOOK} in {root}; run inside a checkout of autoresearch_kit, "
            f"or copy its {NOTEBOOK} here"
        )
    notebook = TrainNotebook.read(path)
    if refused := next(iter(find_refusals(notebook.cells)), None):
        raise InputError(f"{NOTEBOOK}: {refused}")
    return notebook


def profiled(notebook: TrainNotebook, profile: str) -> TrainNotebook:
    """The notebook with the profile's constants, as far as it has them."""
    has = notebook.constants()
    wanted = profiles.find(profile).constants
    return notebook.set_constants({name: wanted[name] for name in wanted if name in has})


def text_sizes(corpus: str, profile: profiles.Profile | None = None) -> profiles.TextSizes | None:
    """Return the sizes to prepare a corpus of the user's own with, by its path; None for others.

    They are the profile's; without one, those of this machine's profile.

    Raises:
        KitError: there is a GPU, and torch does not work.
    """
    if not is_path(corpus):
        return None
    return (profile or profiles.choose(machine.accelerator())).text


def size_options(vocab_size: int | None, context: int | None) -> list[str]:
    """Return the options of `prepare` that ask for these sizes, as far as they are given."""
    asked = {"--vocab-size": vocab_size, "--context": context}
    return [f"{name}={size}" for name, size in asked.items() if size is not None]


def prepare_for(settings: Settings) -> Path:
    """Prepare a campaign's corpus with the sizes it was started with, as `prepare` does."""
    return prepare(settings.dataset, *size_options(settings.vocab_size, settings.context))


def prepare(corpus: str, *options: str, tell: Callable[[str], object] | None = None) -> Path:
    """Prepare a corpus in a process of its own, since that loads much; returns its folder.

    Its progress goes to `tell`, piece by piece, or to stderr. Quick where it was done before.

    Raises:
        KitError: as the process said in its last line.
    """
    argv = [sys.executable, "-P", "-m", "autoresearch_kit.lm.prepare", corpus, *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe if tell else None) as process:
        if tell and process.stderr:
            told = io.TextIOWrapper(process.stderr, newline="")  # keeps a bar's carriage returns
            while piece := told.read(_PIECE):
                tell(piece)
        said = process.communicate()[0].decode().strip().splitlines()
    said = said or [f"corpus '{corpus}' was not prepared; see above"]
    if process.returncode != 0:
        raise KitError(said[-1].removeprefix("error: "))
    return Path(said[-1])
