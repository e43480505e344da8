"""A campaign's folder on this machine, `.autoresearch/<tag>/`, with everything but the ledger.

This folder can be lost without losing an experiment, since git has those. All writes are atomic. A
file that can't be read all the same (a failed disk, an editor) counts as missing where that costs
only a proposal or a request; where it would change what the campaign does, it is an error that
names the file.
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
"""Files that a campaign can go on without: their content, and what their loss means."""

PATIENCE = 2.0
"""Seconds to wait for the lock: a child of a killed campaign holds it until its exec."""


@dataclass(frozen=True)
class Workspace:
    """The folder of campaign `tag` in the project at `root`."""

    root: Path
    tag: str

    @property
    def folder(self) -> Path:
        """Return the folder that contains all the others."""
        return self.root / ".autoresearch" / self.tag

    @property
    def runs(self) -> Path:
        """Return the folder of the runs that are under way, each in a folder of its own."""
        return self.folder / "runs"

    @property
    def probe_runs(self) -> Path:
        """Return the folder of the probes that are under way; it need not exist."""
        return self.folder / "probes"

    @property
    def log(self) -> Path:
        """Return the campaign process's log."""
        return self.folder / "campaign.log"

    @property
    def usage(self) -> Path:
        """Return the usage of a language model, a line for each request."""
        return self.folder / "usage.jsonl"

    def transcript(self, number: int) -> Path:
        """Return the file with the conversation in which experiment `number` was proposed."""
        return self.folder / "transcripts" / f"{number:04d}.jsonl"

    @property
    def compile_cache(self) -> Path:
        """Return the files of torch.compile's that runs get private copies of."""
        return self.folder / "compile-cache"

    @property
    def kit(self) -> Path:
        """Return the folder that contains the campaign's own copy of this package."""
        return self.folder / "kit"

    def create(self) -> None:
        """Make the folder, which git ignores by a .gitignore of its own."""
        self.runs.mkdir(parents=True, exist_ok=True)
        hide_from_git(self.root / ".autoresearch")

    def copy_kit(self, source: Path = Path(__file__).parents[1]) -> None:
        """Copy the package once, so that edits to the checkout don't change a running campaign."""
        if self.kit.exists():
            return
        part = self.folder / "kit.part"
        shutil.rmtree(part, ignore_errors=True)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, part / source.name, ignore=ignore, copy_function=_copy_file)
        compileall.compile_dir(part, ddir=self.kit, quiet=1)  # a sandbox can't keep byte code
        part.rename(self.kit)

    def kit_digest(self) -> str:
        """Return a short digest of the sources of the package's copy."""
        digest = hashlib.sha256()
        for path in sorted(self.kit.rglob("*.py")):
            digest.update(str(path.relative_to(self.kit)).encode() + path.read_bytes())
        return digest.hexdigest()[:12]

    def take_lock(self, patience: float = PATIENCE) -> int:
        """Hold the campaign; return the descriptor of the lock, for `lock`.

        A request to an earlier holder is forgotten; requests from here on count.

        Raises:
            BusyError: another process holds it for longer than `patience` seconds; the message
                names it.
        """
        try:
            held = lock.take(self.folder, patience)
        except TimeoutError as error:
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
        """Return whether a process holds the campaign."""
        return lock.is_held(self.folder)

    def held_by(self) -> str:
        """Return a line that says who runs the campaign, and how to watch and end it."""
        state = self.state()
        holder = f"process {state.pid}" if state else "another process"
        return (
            f"campaign '{self.tag}' is being run by {holder}; "
            f"watch it: autoresearch status {self.tag}; end it: autoresearch stop {self.tag}"
        )

    def way_on(self) -> str:
        """Return the end of a sentence that says how to go on with the campaign."""
        state = self.state()
        return f"go on with: autoresearch {state.command if state else Command.RUN} {self.tag}"

    def state(self) -> State | None:
        """Return the campaign's latest state; None if it never ran here, or that can't be read."""
        return self._recall("state.json", State)

    def write_state(self, state: State) -> None:
        """Replace the campaign's state."""
        write_atomic(self.folder / "state.json", codec.encode(state))

    def settings(self) -> Settings | None:
        """Return the campaign's settings; None if it never ran here.

        Raises:
            InputError: the file is damaged.
        """
        return self._read("settings.json", Settings)

    def write_settings(self, settings: Settings) -> None:
        """Write down the campaign's settings."""
        write_atomic(self.folder / "settings.json", codec.encode(settings))

    def research(self) -> Research | None:
        """Return how the language model was asked at the last start; None if there was none.

        Raises:
            InputError: the file is damaged.
        """
        return self._read("research.json", Research)

    def write_research(self, research: Research) -> None:
        """Write down how the language model is asked."""
        write_atomic(self.folder / "research.json", codec.encode(research))

    def errands(self) -> Errands:
        """Return the campaign's errands after each experiment; none unless some were set.

        Raises:
            InputError: the file was edited by hand, and is not right.
        """
        return self._read("errands.json", Errands) or Errands()

    def write_errands(self, errands: Errands) -> None:
        """Set the errands from the next experiment on, in a file that only the user can read."""
        self.create()
        write_atomic(self.folder / "errands.json", codec.encode(errands), mode=0o600)

    def pending(self) -> Proposal | None:
        """Return the proposal that is written down but not yet recorded as an experiment."""
        return self._recall("pending.json", Proposal)

    def write_pending(self, proposal: Proposal) -> None:
        """Write a proposal down before it is run."""
        write_atomic(self.folder / "pending.json", codec.encode(proposal))

    def measured(self) -> tuple[Measured, ...]:
        """Return the finished runs of the experiment under way, in order."""
        return self._recall("measured.json", tuple[Measured, ...]) or ()

    def add_measured(self, run: Measured) -> None:
        """Write down a finished run, so that it need not be run again."""
        write_atomic(self.folder / "measured.json", codec.encode((*self.measured(), run)))

    def drop_measured(self, folders: Collection[str]) -> None:
        """Forget the runs in folders of these names, so that they are run again."""
        kept = tuple(run for run in self.measured() if run.folder not in folders)
        write_atomic(self.folder / "measured.json", codec.encode(kept))

    def probes(self) -> tuple[Probe, ...]:
        """Return the probes of proposals under way, and of the experiment before, in order."""
        return self._recall("probes.json", tuple[Probe, ...]) or ()

    def add_probe(self, probe: Probe) -> None:
        """Write down a probe, and drop those of experiments before the last."""
        kept = [earlier for earlier in self.probes() if earlier.number >= probe.number - 1]
        write_atomic(self.folder / "probes.json", codec.encode((*kept, probe)))

    def ahead(self) -> Proposal | None:
        """Return the proposal that was prepared while the one before it ran, if any."""
        return self._recall("ahead.json", Proposal)

    def write_ahead(self, proposal: Proposal) -> None:
        """Write down a proposal that was prepared ahead."""
        write_atomic(self.folder / "ahead.json", codec.encode(proposal))

    def clear_ahead(self) -> None:
        """Forget the prepared proposal: its turn has come."""
        (self.folder / "ahead.json").unlink(missing_ok=True)

    def guidance(self) -> str:
        """Return the human's guidance to the researcher; empty if there is none."""
        return self._recall("guidance.json", str) or ""

    def write_guidance(self, text: str) -> None:
        """Replace the human's guidance to the researcher."""
        self.create()
        write_atomic(self.folder / "guidance.json", codec.encode(text))

    def request(self) -> Request | None:
        """Return the latest request that is not yet carried out, if any."""
        return self._recall("request.json", Request)

    def ask(self, request: Request) -> None:
        """Ask something of the running campaign process.

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
        """Return the id that a run's processes carry, by which a resumed campaign ends them."""
        digest = hashlib.sha256(str(run_folder.resolve()).encode()).hexdigest()[:12]
        return f"{self.tag}-{run_folder.name}-{digest}"

    def forget_measured(self) -> None:
        """Forget the finished runs: they are in git, or are to be run again."""
        (self.folder / "measured.json").unlink(missing_ok=True)

    def clear_runs(self, spared: Collection[str] = ()) -> None:
        """Remove everything in the folder of runs except for folders of these names."""
        for folder in self.runs.iterdir():
            if folder.name not in spared:
                remove_tree(folder)

    def clear_leftovers(self, spared: Collection[str] = ()) -> None:
        """Remove what a killed process left: the folders of its runs, and half-written files."""
        self.clear_runs(spared)
        for part in self.folder.glob(".*.part"):
            part.unlink()
        for folder in (self.probe_runs, self.folder / "kit.part", self.folder / "copy"):
            with suppress(FileNotFoundError):
                remove_tree(folder)

    def damaged(self) -> list[str]:
        """Return why files of `FORGETTABLE` can't be read, a line for each such file."""
        found = []
        for name, (kind, _) in FORGETTABLE.items():
            try:
                self._read(name, kind)
            except InputError as error:
                found.append(str(error))
        return found

    def set_damaged_aside(self) -> None:
        """Move unreadable files of `FORGETTABLE` out of the way; log a line for each."""
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
        """Read a file; return None also if it is damaged, which `set_damaged_aside` reports."""
        try:
            return self._read(name, kind)
        except InputError:
            return None


def _copy_file(source: str, target: str) -> str:
    """Copy a file for copytree, which would collect errors and lose what they are."""
    try:
        return str(shutil.copy2(source, target))
    except OSError as error:
        raise KitError(f"the package can't be copied: {in_words(error)}") from error


def hide_from_git(folder: Path) -> None:
    """Make `folder` with a .gitignore by which git ignores all of it."""
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomic(ignore, b"*\n")
