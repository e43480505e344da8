"""A campaign's folder on this machine, `.autoresearch/<tag>/`, with everything but the ledger.

This folder can be lost without losing an experiment, since git has those. All writes are atomic. A
file that can't be read all the same (a failed disk, an editor) counts as missing where that costs
only a proposal or a request; where it would change what the campaign does, it is an error that
names the file.
"""

import hashlib
import logging
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import filelock

from autoresearch_kit.errors import BusyError, InputError
from autoresearch_kit.files import lock
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.kit_copy import PACKAGE, copy_kit
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.records import (
    Bound,
    Command,
    Destinations,
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
    "pending/*.json": (Proposal, "another proposal is made in its place"),
    "prepared/*.json": (Proposal, "another proposal is made in its place"),
    "measured/*.json": (tuple[Measured, ...], "its runs are run again"),
    "probes.json": (tuple[Probe, ...], "the seconds of its probes are not counted"),
    "request.json": (Request, "what was asked is not known; ask again"),
    "guidance.json": (str, "what was said is not known; say it again: autoresearch guide TAG TEXT"),
}
"""Files that a campaign can go on without: their content, and what their loss means."""

DESTINATIONS, DESTINATIONS_BEFORE = "destinations.json", "errands.json"
"""Where copies and notices go; and the name of that file in campaigns of earlier versions."""

NEEDED = ("settings.json", "research.json", DESTINATIONS, DESTINATIONS_BEFORE, "bounds.json")
"""Files that change what a campaign does."""

_ADDING_PROBE = threading.Lock()

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
        """Return the folder of torch.compile's files, a folder a device; runs get copies."""
        return self.folder / "compile-cache"

    @property
    def kit(self) -> Path:
        """Return the folder that contains the campaign's own copy of this package."""
        return self.folder / "kit"

    def create(self) -> None:
        """Make the folder, which git ignores by a .gitignore of its own."""
        for name in ("runs", "pending", "prepared", "measured"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        hide_from_git(self.root / ".autoresearch")

    def copy_kit(self, source: Path = PACKAGE) -> None:
        """Copy the package once, so that edits to the checkout don't change a running campaign."""
        if not self.kit.exists():
            copy_kit(source, self.kit)

    def take_lock(self, patience: float = PATIENCE) -> int:
        """Hold the campaign; return the descriptor of the lock, for `lock`.

        A request to an earlier holder is forgotten; requests from here on count.

        Raises:
            BusyError: another process holds it for longer than `patience` seconds; the message
                names it.
        """
        try:
            held = lock.take(self.folder, patience)
        except filelock.Timeout as error:
            raise BusyError(self.held_by()) from error
        try:
            (self.folder / "request.json").unlink(missing_ok=True)
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
        """Return the campaign's latest state; None before its first, or if it can't be read."""
        return self._recall("state.json", State)

    def write_state(self, state: State) -> None:
        """Replace the campaign's state."""
        write_atomic(self.folder / "state.json", codec.encode(state))

    def settings(self) -> Settings | None:
        """Return the campaign's settings; None if it never ran here; InputError if damaged."""
        return self._read("settings.json", Settings)

    def write_settings(self, settings: Settings) -> None:
        """Write down the campaign's settings."""
        write_atomic(self.folder / "settings.json", codec.encode(settings))

    def research(self) -> Research | None:
        """Return how the language model was asked last, or None; InputError if damaged."""
        return self._read("research.json", Research)

    def write_research(self, research: Research) -> None:
        """Write down how the language model is asked."""
        write_atomic(self.folder / "research.json", codec.encode(research))

    def bounds(self) -> tuple[Bound, ...] | None:
        """Return the bounds in force; None if nobody wrote them here; InputError if damaged."""
        return self._read("bounds.json", tuple[Bound, ...])

    def write_bounds(self, bounds: tuple[Bound, ...]) -> None:
        """Set the bounds in force from the next verdict on."""
        self.create()
        write_atomic(self.folder / "bounds.json", codec.encode(bounds))

    def destinations(self) -> Destinations:
        """Return where copies and notices of the campaign go; InputError if damaged."""
        written = self._read(DESTINATIONS, Destinations)
        return written or self._read(DESTINATIONS_BEFORE, Destinations) or Destinations()

    def write_destinations(self, destinations: Destinations) -> None:
        """Set where copies and notices go, in a file that only the user can read."""
        self.create()
        write_atomic(self.folder / DESTINATIONS, codec.encode(destinations), mode=0o600)

    def pending(self, besides: Collection[int] = ()) -> list[Proposal]:
        """Return the proposals that are written down and not yet recorded, by number.

        Those whose numbers are in `besides` are left out, and not read.
        """
        return [proposal for _, proposal in self._proposals("pending", besides)]

    def write_pending(self, proposal: Proposal) -> None:
        """Write a proposal down before it is run."""
        write_atomic(self._file("pending", proposal.number), codec.encode(proposal))

    def measured(self, number: int) -> tuple[Measured, ...]:
        """Return the finished runs of experiment `number`, which is under way, in order.

        Files that have not changed since they were read are not read again.
        """
        path = self._file("measured", number)
        with suppress(FileNotFoundError, InputError):
            found = path.stat()
            return _runs_in(path, (found.st_ino, found.st_mtime_ns, found.st_size))
        return ()

    def add_measured(self, run: Measured) -> None:
        """Write down a finished run, so that it need not be run again."""
        self._write_measured(run.number, [*self.measured(run.number), run])

    def set_aside(self, run: Measured, why: str) -> None:
        """Write down why a finished run does not count."""
        runs = self.measured(run.number)
        aside = [replace(each, disturbed=why) if each == run else each for each in runs]
        self._write_measured(run.number, aside)

    def forget_runs(self, number: int, folders: Collection[str]) -> None:
        """Forget those runs of an experiment whose folders have these names: they are repeated."""
        self._write_measured(number, [r for r in self.measured(number) if r.folder not in folders])

    def under_way(self) -> set[int]:
        """Return the numbers of experiments of which a proposal or a run is written down."""
        files = list[Path]()
        for kind in ("pending", "measured"):
            with suppress(FileNotFoundError):  # nothing was ever run here
                files += (self.folder / kind).iterdir()
        return {
            int(each.stem) for each in files if each.suffix == ".json" and each.stem.isdecimal()
        }

    def forget(self, number: int, spared: Collection[str] = ()) -> None:
        """Forget an experiment's proposal and runs, which are in git now; remove its folders.

        Folders stay that other experiments under way share, and those with a name in `spared`.
        """
        self._file("pending", number).unlink(missing_ok=True)
        others = self.under_way() - {number}
        shared = {*spared, *(run.folder for other in others for run in self.measured(other))}
        for run in self.measured(number):
            if run.folder not in shared:
                with suppress(FileNotFoundError):
                    remove_tree(self.runs / run.folder)
        self._file("measured", number).unlink(missing_ok=True)

    def probes(self) -> tuple[Probe, ...]:
        """Return the probes of proposals under way, and of the experiment before, in order."""
        return self._recall("probes.json", tuple[Probe, ...]) or ()

    def add_probe(self, probe: Probe) -> None:
        """Write down a probe, and drop those of experiments long before all that are under way.

        Several threads may add probes.
        """
        with _ADDING_PROBE:
            first = min({probe.number, *self.under_way()}) - 1
            kept = [earlier for earlier in self.probes() if earlier.number >= first]
            write_atomic(self.folder / "probes.json", codec.encode((*kept, probe)))

    def prepared(self) -> list[Proposal]:
        """Return the proposals that were prepared while others ran, by number."""
        return [replace(made, number=number) for number, made in self._proposals("prepared")]

    def write_prepared(self, proposal: Proposal) -> None:
        """Write down a proposal that was prepared while others run."""
        write_atomic(self._file("prepared", proposal.number), codec.encode(proposal))

    def take_prepared(self, number: int, proposal: Proposal) -> None:
        """Turn the prepared proposal of this number into the pending `proposal`, in one step.

        So a kill leaves it either prepared or pending, never both.
        """
        prepared = self._file("prepared", number)
        write_atomic(prepared, codec.encode(proposal))
        prepared.replace(self._file("pending", proposal.number))

    def keep_directive(self, digest: str, text: str) -> None:
        """Keep the text of a program.md under its digest, for the record of what it led to."""
        path = self._directive(digest)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write_atomic(path, text.encode())

    def directive(self, digest: str) -> bytes | None:
        """Return the program.md of this digest; None where it was not kept here."""
        try:
            return self._directive(digest).read_bytes() if digest else None
        except FileNotFoundError:
            return None

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

    def run_id(self, run_folder: Path) -> str:
        """Return the id that a run's processes carry, by which a resumed campaign ends them."""
        digest = hashlib.sha256(str(run_folder.resolve()).encode()).hexdigest()[:12]
        return f"{self.tag}-{run_folder.name}-{digest}"

    def clear_leftovers(self) -> None:
        """Remove what a killed process left: folders of runs that were not over, half files."""
        spared = {run.folder for number in self.under_way() for run in self.measured(number)}
        for folder in self.runs.iterdir():
            if folder.name not in spared:
                remove_tree(folder)
        for part in [*self.folder.glob(".*.part"), *self.folder.glob("[pm]*/.*.json.*.part")]:
            part.unlink()
        for folder in (self.probe_runs, self.folder / "kit.part", self.folder / "copy"):
            with suppress(FileNotFoundError):
                remove_tree(folder)

    def damaged(self) -> list[str]:
        """Return why files of `FORGETTABLE` can't be read, a line for each such file."""
        return [str(error) for _, _, error in self._damaged()]

    def set_damaged_aside(self) -> None:
        """Move unreadable files of `FORGETTABLE` out of the way; log a line for each."""
        for path, loss, error in self._damaged():
            path.replace(path.with_suffix(".damaged"))
            logger.warning("%s; it is %s.damaged now, and %s", error, path.stem, loss)

    def _damaged(self) -> Iterator[tuple[Path, str, InputError]]:
        """Yield the files of `FORGETTABLE` that can't be read, what that costs, and why."""
        for pattern, (kind, loss) in FORGETTABLE.items():
            for path in sorted(self.folder.glob(pattern)):
                try:
                    self._read(path, kind)
                except InputError as error:
                    yield path, loss, error

    def delete(self) -> None:
        """Remove the whole folder."""
        with self.lock():
            remove_tree(self.folder)

    def _directive(self, digest: str) -> Path:
        return self.folder / "directives" / f"{digest}.md"

    def _file(self, kind: str, number: int) -> Path:
        return self.folder / kind / f"{number:04d}.json"

    def _proposals(
        self, kind: str, besides: Collection[int] = ()
    ) -> Iterator[tuple[int, Proposal]]:
        """Yield the proposals that can be read, each with the number that its file has."""
        known = {self._file(kind, number) for number in besides}
        for path in sorted(set(self.folder.glob(f"{kind}/*.json")) - known):
            if (proposal := self._recall(path, Proposal)) is not None:
                yield int(path.stem), proposal

    def _write_measured(self, number: int, runs: Sequence[Measured]) -> None:
        write_atomic(self._file("measured", number), codec.encode(runs))

    def _read(self, name: str | Path, kind: type[T]) -> T | None:
        path = self.folder / name
        try:
            return codec.decode(kind, path.read_bytes())
        except FileNotFoundError:
            return None
        except InputError as error:
            way_out = f"; mend it, or remove it: rm {path}" if name in NEEDED else ""
            raise InputError(f"{path} is damaged ({error}){way_out}") from error

    def _recall(self, name: str | Path, kind: type[T]) -> T | None:
        """Read a file; return None also if it is damaged, which `set_damaged_aside` reports."""
        with suppress(InputError):
            return self._read(name, kind)
        return None


@lru_cache(maxsize=512)
def _runs_in(path: Path, _version: tuple[int, int, int]) -> tuple[Measured, ...]:
    """Return the finished runs in a file; `_version` tells its contents apart."""
    return codec.decode(tuple[Measured, ...], path.read_bytes())


def hide_from_git(folder: Path) -> None:
    """Make `folder` with a .gitignore by which git ignores all of it."""
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomic(ignore, b"*\n")
