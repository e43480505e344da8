"""A campaign's folder on this machine, `.autoresearch/<tag>/`: everything but the ledger.

What lies here can be lost without losing an experiment: git holds those. All writes are atomic.
What can't be read all the same (a disk that failed, an editor) is as good as not there, where that
costs nothing but a proposal or a request; where it would change what the campaign does, it is an
error that names the file.
"""

import compileall
import hashlib
import logging
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import filelock

from autoresearch_kit.errors import BusyError, InputError, KitError, in_words
from autoresearch_kit.files import lock
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.records import (
    Command,
    Errands,
    Measured,
    Probe,
    Proposal,
    Request,
    Research,
    Settings,
    State,
    codec,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

FORGETTABLE: Mapping[str, tuple[type, str]] = {
    "state.json": (State, "it is written anew"),
    "pending.json": (Proposal, "another proposal is made in its place"),
    "ahead.json": (Proposal, "another proposal is made in its place"),
    "measured.json": (tuple[Measured, ...], "its runs are run again"),
    "probes.json": (tuple[Probe, ...], "the seconds of its probes are not counted"),
    "request.json": (Request, "what was asked is not known; ask again"),
    "guidance.json": (str, "what was said is not known; say it again: autoresearch guide TAG TEXT"),
}
"""Files that a campaign goes on without, what is in them, and what it means to lose one."""

PATIENCE = 2.0
"""Seconds to wait for the lock: the last child of a killed campaign that has not come to its exec
yet holds it for a moment."""


@dataclass(frozen=True)
class Workspace:
    """The folder of campaign `tag` in the project at `root`."""

    root: Path
    tag: str

    @property
    def folder(self) -> Path:
        """Where everything below lies."""
        return self.root / ".autoresearch" / self.tag

    @property
    def runs(self) -> Path:
        """One folder per run that is under way."""
        return self.folder / "runs"

    @property
    def probe_runs(self) -> Path:
        """One folder per probe that is under way; not always there."""
        return self.folder / "probes"

    @property
    def log(self) -> Path:
        """What the campaign process printed."""
        return self.folder / "campaign.log"

    @property
    def usage(self) -> Path:
        """What the requests to a language model took, a line each."""
        return self.folder / "usage.jsonl"

    def transcript(self, number: int) -> Path:
        """What was said while experiment `number` was proposed."""
        return self.folder / "transcripts" / f"{number:04d}.jsonl"

    @property
    def compile_cache(self) -> Path:
        """What torch.compile left behind, handed from run to run as private copies."""
        return self.folder / "compile-cache"

    @property
    def kit(self) -> Path:
        """The folder that holds the campaign's own copy of this package."""
        return self.folder / "kit"

    def create(self) -> None:
        """Make the folder, ignored by git through a .gitignore of its own."""
        self.runs.mkdir(parents=True, exist_ok=True)
        hide_from_git(self.root / ".autoresearch")

    def copy_kit(self, source: Path = Path(__file__).parents[1]) -> None:
        """Copy the package once, so that edits to the checkout don't change a night half-way."""
        if self.kit.exists():
            return
        part = self.folder / "kit.part"
        shutil.rmtree(part, ignore_errors=True)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, part / source.name, ignore=ignore, copy_function=_copy_file)
        compileall.compile_dir(part, ddir=self.kit, quiet=1)  # a sandbox can't keep byte code
        part.rename(self.kit)

    def take_lock(self, patience: float = PATIENCE) -> int:
        """Hold the campaign; returns the descriptor of the lock, for `lock`.

        What was asked of an earlier holder is forgotten; what is asked from here on holds.

        Raises:
            BusyError: another process holds it, for longer than `patience` seconds; the message
                names it.
        """
        try:
            held = lock.take(self.folder, patience)
        except filelock.Timeout as error:
            raise BusyError(self.held_by()) from error
        try:
            self._clear_request()
        except OSError:
            lock.release(held)
            raise
        return held

    @contextmanager
    def lock(self, patience: float = PATIENCE, held: int | None = None) -> Iterator[None]:
        """Hold the campaign in here; the operating system lets go when the process dies.

        `held` is the descriptor of the lock, where this process has it already.

        Raises:
            BusyError: as `take_lock` does.
        """
        descriptor = self.take_lock(patience) if held is None else held
        try:
            yield
        finally:
            lock.release(descriptor)

    def running(self) -> bool:
        """Whether a process holds the campaign; looking takes nothing."""
        return lock.is_held(self.folder)

    def held_by(self) -> str:
        """Who runs the campaign, and how to watch and end it."""
        state = self.state()
        holder = f"process {state.pid}" if state else "another process"
        return (
            f"campaign '{self.tag}' is being run by {holder}; "
            f"watch it: autoresearch status {self.tag}; end it: autoresearch stop {self.tag}"
        )

    def way_on(self) -> str:
        """How to go on with the campaign, as the end of a sentence."""
        state = self.state()
        return f"go on with: autoresearch {state.command if state else Command.RUN} {self.tag}"

    def state(self) -> State | None:
        """The campaign's last word on itself; None if it never ran here, or it can't be read."""
        return self._recall("state.json", State)

    def write_state(self, state: State) -> None:
        """Replace the campaign's word on itself."""
        write_atomic(self.folder / "state.json", codec.encode(state))

    def settings(self) -> Settings | None:
        """What the campaign was started with; None if it never ran here.

        Raises:
            InputError: the file is damaged.
        """
        return self._read("settings.json", Settings)

    def write_settings(self, settings: Settings) -> None:
        """Write down what the campaign is started with."""
        write_atomic(self.folder / "settings.json", codec.encode(settings))

    def research(self) -> Research | None:
        """How the language model was asked at the last start; None if there was none.

        Raises:
            InputError: the file is damaged.
        """
        return self._read("research.json", Research)

    def write_research(self, research: Research) -> None:
        """Write down how the language model is asked."""
        write_atomic(self.folder / "research.json", codec.encode(research))

    def errands(self) -> Errands:
        """What the campaign does after each experiment, beside it; nothing unless it was said.

        Raises:
            InputError: the file was edited by hand, and is not right.
        """
        return self._read("errands.json", Errands) or Errands()

    def write_errands(self, errands: Errands) -> None:
        """Do this from the next experiment on; only the user may read it."""
        self.create()
        write_atomic(self.folder / "errands.json", codec.encode(errands), mode=0o600)

    def pending(self) -> Proposal | None:
        """The proposal that was written down but not yet recorded as an experiment."""
        return self._recall("pending.json", Proposal)

    def write_pending(self, proposal: Proposal) -> None:
        """Write a proposal down before it is run."""
        write_atomic(self.folder / "pending.json", codec.encode(proposal))

    def measured(self) -> tuple[Measured, ...]:
        """The runs of the experiment under way that are over, in order."""
        return self._recall("measured.json", tuple[Measured, ...]) or ()

    def add_measured(self, run: Measured) -> None:
        """Write down what a run came to, so that it need not be run again."""
        write_atomic(self.folder / "measured.json", codec.encode((*self.measured(), run)))

    def drop_measured(self, folders: Collection[str]) -> None:
        """Forget the runs in folders of these names, so that they are run again."""
        kept = tuple(one for one in self.measured() if one.folder not in folders)
        write_atomic(self.folder / "measured.json", codec.encode(kept))

    def probes(self) -> tuple[Probe, ...]:
        """The probes of the proposals under way, and of the experiment before them, in order."""
        return self._recall("probes.json", tuple[Probe, ...]) or ()

    def add_probe(self, probe: Probe) -> None:
        """Write down a probe; those of experiments long recorded are dropped."""
        kept = [one for one in self.probes() if one.number >= probe.number - 1]
        write_atomic(self.folder / "probes.json", codec.encode((*kept, probe)))

    def ahead(self) -> Proposal | None:
        """The proposal that was prepared while the one before it ran."""
        return self._recall("ahead.json", Proposal)

    def write_ahead(self, proposal: Proposal) -> None:
        """Write a prepared proposal down before its turn."""
        write_atomic(self.folder / "ahead.json", codec.encode(proposal))

    def clear_ahead(self) -> None:
        """Forget what was prepared: its turn has come."""
        (self.folder / "ahead.json").unlink(missing_ok=True)

    def guidance(self) -> str:
        """What the human says to the researcher; empty if nothing."""
        return self._recall("guidance.json", str) or ""

    def write_guidance(self, text: str) -> None:
        """Say this to the researcher from now on, in place of what was said before."""
        self.create()
        write_atomic(self.folder / "guidance.json", codec.encode(text))

    def request(self) -> Request | None:
        """What a person last asked for, not yet done."""
        return self._recall("request.json", Request)

    def ask(self, request: Request) -> None:
        """Ask something of the campaign process, which must be there.

        Raises:
            InputError: the campaign is not running.
        """
        if not self.running():
            raise InputError(f"campaign '{self.tag}' is not running; {self.way_on()}")
        self.write_request(request)

    def write_request(self, request: Request) -> None:
        """Leave a request for the campaign process."""
        write_atomic(self.folder / "request.json", codec.encode(request))

    def _clear_request(self) -> None:
        (self.folder / "request.json").unlink(missing_ok=True)

    def run_id(self, run_folder: Path) -> str:
        """What a run's processes carry: the same for a resumed campaign, which ends them by it."""
        place = hashlib.sha256(str(run_folder.resolve()).encode()).hexdigest()[:12]
        return f"{self.tag}-{run_folder.name}-{place}"

    def forget_measured(self) -> None:
        """Forget what the runs came to: they are in git, or are to be run again."""
        (self.folder / "measured.json").unlink(missing_ok=True)

    def clear_runs(self, spared: Collection[str] = ()) -> None:
        """Remove the folders of runs, but for those of these names, and what else lies there."""
        for folder in self.runs.iterdir():
            if folder.name not in spared:
                remove_tree(folder)

    def clear_leftovers(self, spared: Collection[str] = ()) -> None:
        """Remove what a process that was killed left: the folders of its runs, half-made files."""
        self.clear_runs(spared)
        for part in self.folder.glob(".*.part"):
            part.unlink()
        for folder in (self.probe_runs, self.folder / "kit.part", self.folder / "copy"):
            with suppress(FileNotFoundError):
                remove_tree(folder)

    def damaged(self) -> list[str]:
        """Files of `FORGETTABLE` that can't be read, each with the reason."""
        found = []
        for name, (kind, _) in FORGETTABLE.items():
            try:
                self._read(name, kind)
            except InputError as error:
                found.append(str(error))
        return found

    def set_damaged_aside(self) -> None:
        """Move files that can't be read, and can be gone on without, out of the way; say so."""
        for name, (kind, loss) in FORGETTABLE.items():
            try:
                self._read(name, kind)
            except InputError as error:
                path = self.folder / name
                path.replace(path.with_suffix(".damaged"))
                logger.warning("%s; it is %s.damaged now, and %s", error, path.stem, loss)

    def delete(self) -> None:
        """Remove the whole folder."""
        with self.lock():
            remove_tree(self.folder)

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = self.folder / name
        try:
            return codec.decode(kind, path.read_bytes())
        except FileNotFoundError:
            return None
        except InputError as error:
            way_out = "" if name in FORGETTABLE else f"; mend it, or remove it: rm {path}"
            raise InputError(f"{path} is damaged ({error}){way_out}") from error

    def _recall(self, name: str, kind: type[T]) -> T | None:
        """As `_read`, but None for what can't be read: `set_damaged_aside` tells of it."""
        try:
            return self._read(name, kind)
        except InputError:
            return None


def _copy_file(source: str, target: str) -> str:
    """As copytree wants it; its own way is to collect errors, and to lose what they are."""
    try:
        return str(shutil.copy2(source, target))
    except OSError as error:
        raise KitError(f"the package can't be copied: {in_words(error)}") from error


def hide_from_git(folder: Path) -> None:
    """Have git ignore all of `folder`, which is made, through a .gitignore of its own."""
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomic(ignore, b"*\n")
