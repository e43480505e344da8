"""Experiments under way, in a campaign's folder: proposals, finished runs, probes."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.files.record_files import recall
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.records import Measured, Probe, Proposal, codec

_ADDING_PROBE = threading.Lock()


@dataclass(frozen=True)
class UnderWay:
    """Proposals, runs and probes in a campaign's `folder` of experiments that are not yet in git.

    Their runs have folders of their own in `runs`.
    """

    folder: Path
    runs: Path

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

    def numbers(self) -> set[int]:
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
        others = self.numbers() - {number}
        shared = {*spared, *(run.folder for other in others for run in self.measured(other))}
        for run in self.measured(number):
            if run.folder not in shared:
                remove_tree(self.runs / run.folder)
        self._file("measured", number).unlink(missing_ok=True)

    def probes(self) -> tuple[Probe, ...]:
        """Return the probes of proposals under way, and of the experiment before, in order."""
        return recall(self.folder / "probes.json", tuple[Probe, ...]) or ()

    def add_probe(self, probe: Probe) -> None:
        """Write down a probe, and drop those of experiments long before all that are under way.

        Several threads may add probes.
        """
        with _ADDING_PROBE:
            first = min({probe.number, *self.numbers()}) - 1
            kept = [earlier for earlier in self.probes() if earlier.number >= first]
            write_atomic(self.folder / "probes.json", codec.encode((*kept, probe)))

    def prepared(self) -> list[Proposal]:
        """Return the proposals that were prepared while others ran, by number."""
        return [replace(made, number=number) for number, made in self._proposals("prepared")]

    def write_prepared(self, proposal: Proposal) -> None:
        """Write down a proposal that was prepared while others run."""
        write_atomic(self._file("prepared", proposal.number), codec.encode(proposal))

    def take_prepared(self, number: int, proposal: Proposal) -> None:
        """Make what was prepared under this number the pending `proposal`, in one step.

        So a kill leaves it either prepared or pending, never both.
        """
        prepared = self._file("prepared", number)
        write_atomic(prepared, codec.encode(proposal))
        prepared.replace(self._file("pending", proposal.number))

    def _file(self, kind: str, number: int) -> Path:
        return self.folder / kind / f"{number:04d}.json"

    def _proposals(
        self, kind: str, besides: Collection[int] = ()
    ) -> Iterator[tuple[int, Proposal]]:
        """Yield the proposals that can be read, each with the number that its file has."""
        known = {self._file(kind, number) for number in besides}
        for path in sorted(set(self.folder.glob(f"{kind}/*.json")) - known):
            if (proposal := recall(path, Proposal)) is not None:
                yield int(path.stem), proposal

    def _write_measured(self, number: int, runs: Sequence[Measured]) -> None:
        write_atomic(self._file("measured", number), codec.encode(runs))


@lru_cache(maxsize=512)
def _runs_in(path: Path, _version: tuple[int, int, int]) -> tuple[Measured, ...]:
    """Return the finished runs in a file; `_version` tells its contents apart."""
    return codec.decode(tuple[Measured, ...], path.read_bytes())
