"""A campaign's folder on this machine, `.autoresearch/<tag>/`, with everything but the ledger.

This folder can be lost without losing an experiment, since git has those. All writes are atomic. A
file that can't be read all the same (a failed disk, an editor) counts as missing where that costs
only a proposal or a request; where it would change what the campaign does, it is an error that
names the file.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from autoresearch_kit.errors import BusyError, InputError
from autoresearch_kit.files import lock
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.kit_copy import PACKAGE, copy_kit
from autoresearch_kit.files.record_files import DESTINATIONS, read, recall
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.files.under_way import UnderWay
from autoresearch_kit.records import (
    Bound,
    Command,
    Destinations,
    Request,
    Research,
    Settings,
    State,
    codec,
)

PATIENCE = 2.0  # seconds to wait for the lock: a child of a killed campaign holds it until its exec


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

    @property
    def under_way(self) -> UnderWay:
        """Return what is written down of the experiments that are not yet in git."""
        return UnderWay(self.folder, self.runs)

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
        return recall(self.folder / "state.json", State)

    def write_state(self, state: State) -> None:
        """Replace the campaign's state."""
        write_atomic(self.folder / "state.json", codec.encode(state))

    def settings(self) -> Settings | None:
        """Return the campaign's settings; None if it never ran here; InputError if damaged."""
        return read(self.folder / "settings.json", Settings)

    def write_settings(self, settings: Settings) -> None:
        """Write down the campaign's settings."""
        write_atomic(self.folder / "settings.json", codec.encode(settings))

    def research(self) -> Research | None:
        """Return how the language model was asked last, or None; InputError if damaged."""
        return read(self.folder / "research.json", Research)

    def write_research(self, research: Research) -> None:
        """Write down how the language model is asked."""
        write_atomic(self.folder / "research.json", codec.encode(research))

    def bounds(self) -> tuple[Bound, ...] | None:
        """Return the bounds in force; None if nobody wrote them here; InputError if damaged."""
        return read(self.folder / "bounds.json", tuple[Bound, ...])

    def write_bounds(self, bounds: tuple[Bound, ...]) -> None:
        """Set the bounds in force from the next verdict on."""
        self.create()
        write_atomic(self.folder / "bounds.json", codec.encode(bounds))

    def destinations(self) -> Destinations:
        """Return where copies and notices of the campaign go; InputError if damaged."""
        return read(self.folder / DESTINATIONS, Destinations) or Destinations()

    def write_destinations(self, destinations: Destinations) -> None:
        """Set where copies and notices go, in a file that only the user can read."""
        self.create()
        write_atomic(self.folder / DESTINATIONS, codec.encode(destinations), mode=0o600)

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
        return recall(self.folder / "guidance.json", str) or ""

    def write_guidance(self, text: str) -> None:
        """Replace the human's guidance to the researcher."""
        self.create()
        write_atomic(self.folder / "guidance.json", codec.encode(text))

    def request(self) -> Request | None:
        """Return the latest request that is not yet carried out, if any."""
        return recall(self.folder / "request.json", Request)

    def ask(self, request: Request) -> None:
        """Ask something of the running campaign process; InputError if it does not run."""
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
        under_way = self.under_way
        spared = {run.folder for each in under_way.numbers() for run in under_way.measured(each)}
        for folder in self.runs.iterdir():
            if folder.name not in spared:
                remove_tree(folder)
        for part in [*self.folder.glob(".*.part"), *self.folder.glob("[pm]*/.*.json.*.part")]:
            part.unlink()
        for folder in (self.probe_runs, self.folder / "kit.part", self.folder / "copy"):
            remove_tree(folder)

    def delete(self) -> None:
        """Remove the whole folder."""
        with self.lock():
            remove_tree(self.folder)

    def _directive(self, digest: str) -> Path:
        return self.folder / "directives" / f"{digest}.md"


def hide_from_git(folder: Path) -> None:
    """Make `folder` with a .gitignore by which git ignores all of it."""
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomic(ignore, b"*\n")
