"""Experiments as git commits and refs: the ledger of a campaign.

Each experiment is two commits. The code commit changes `notebooks/train.ipynb` and stands on the
code commit of the experiment it was derived from; the record commit on top of it adds the folder
`experiments/<tag>/<NNNN>/`. The ref `refs/autoresearch/<tag>/<NNNN>`, created last and only if
absent, points at the record commit: from then on the experiment exists. The branch
`autoresearch/<tag>` is derived from the refs and points at the best's code commit.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from autoresearch_kit import codec
from autoresearch_kit.branch import Branch
from autoresearch_kit.commit_message import code_message, record_message
from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.plumbing import Git, Object, Objects, find_root
from autoresearch_kit.records import Experiment
from autoresearch_kit.refs import (
    REFS,
    branch_ref,
    campaign_refs,
    experiment_file,
    experiment_ref,
    valid_tag,
)

__all__ = ["NOTEBOOK", "Entry", "History", "campaigns", "find_root", "latest_kept", "valid_tag"]

NOTEBOOK = "notebooks/train.ipynb"
"""The mutable notebook, from the top of the checkout."""

RECORD = "record.json"
_CHUNK = 25


@dataclass(frozen=True)
class Entry:
    """An experiment and its two commits, by their full names."""

    experiment: Experiment
    code_commit: str
    record_commit: str


class History:
    """The experiments of campaign `tag` in the repository whose checkout is at `root`."""

    def __init__(self, root: Path, tag: str):
        self.root = root
        self.tag = valid_tag(tag)
        self._git = Git(root)
        self._branch = Branch(self._git, tag)

    def append(self, experiment: Experiment, notebook: str, files: Mapping[str, bytes]) -> Entry:
        """Write an experiment down, for good.

        `notebook` is the text of the notebook without outputs; `files` go next to `record.json`.
        If it returns, the experiment is there, on disk, and stays; if it raises, it is not there.

        Raises:
            LedgerError: the number is taken, the parent unknown, or git refused (full disk, ...).
        """
        self._check_new(experiment)
        parent = self._parent_commit(experiment.proposal.parent)
        files = {**files, RECORD: codec.encode(experiment)}
        record = {self._path(experiment.number, name): data for name, data in files.items()}
        with self._git.tree(parent) as tree:
            tree.put({NOTEBOOK: notebook.encode()})
            code = tree.commit(code_message(experiment), parent)
            tree.put(record)
            commit = tree.commit(record_message(experiment), code)
        self._git.update_refs([f"create {experiment_ref(self.tag, experiment.number)} {commit}"])
        if experiment.kept:
            with suppress(LedgerError):  # the branch is derived: the next keep or repair mends it
                self._point_branch_at_best()
        return Entry(experiment, code, commit)

    def entries(self) -> list[Entry]:
        """All experiments by number, read through a single git process.

        Raises:
            LedgerError: an experiment's ref is there, but its record can't be read.
        """
        with self._git.objects() as objects:
            return list(self._read_all(objects))

    def experiments(self) -> list[Experiment]:
        """All experiments by number."""
        return [entry.experiment for entry in self.entries()]

    def best(self) -> Entry | None:
        """The latest kept experiment, which the next ones build on; None before the baseline."""
        return latest_kept(self.entries())

    def next_number(self) -> int:
        """The number of the next experiment; the baseline is 0."""
        entries = self.entries()
        return entries[-1].experiment.number + 1 if entries else 0

    def source(self, number: int) -> str:
        """The text of experiment `number`'s notebook."""
        return self._read(number, "^", NOTEBOOK).decode()

    def file(self, number: int, name: str) -> bytes:
        """What `append` was given as `files[name]`; `record.json` is there too."""
        return self._read(number, "", self._path(number, name))

    def diff(self, number: int) -> tuple[str, str]:
        """Two notebooks: the one that experiment `number` was derived from, and its own.

        The first is empty if the project had no notebook committed when the campaign began.
        """
        own = self.source(number)
        with self._git.objects() as objects:
            [before] = objects.read([f"{experiment_ref(self.tag, number)}^^:{NOTEBOOK}"])
        return (before.content.decode() if before else "", own)

    def check(self) -> None:
        """Look for all that would keep a campaign from writing its history.

        Raises:
            LedgerError: what it is and what to do about it.
        """
        check_writable(self._git.folder())
        self._branch.check({entry.code_commit for entry in self.entries()})

    def repair(self) -> bool:
        """Put right what a killed process left behind; whether the branch is at the best now.

        Removes locks on this campaign's own refs and branch: call it only while holding the
        campaign's lock, so that no git process of ours can be at work on them. The branch is left
        alone while it is checked out somewhere or holds commits that are not the campaign's.
        """
        folder = self._git.folder()
        branch_lock = folder / f"{branch_ref(self.tag)}.lock"
        for lock in [*(folder / campaign_refs(self.tag)).glob("*.lock"), branch_lock]:
            lock.unlink(missing_ok=True)
        return self._point_branch_at_best()

    def _check_new(self, experiment: Experiment) -> None:
        if experiment.tag != self.tag:
            raise LedgerError(f"an experiment of {experiment.tag!r} can't go into {self.tag!r}")
        if self._git.commit_of(experiment_ref(self.tag, experiment.number)):
            raise LedgerError(
                f"experiment {experiment.number} of {self.tag!r} exists already, and experiments "
                f"never change; the next one is {self.next_number()}"
            )

    def _parent_commit(self, number: int | None) -> str | None:
        if number is None:
            return self._git.commit_of("HEAD")
        commit = self._git.commit_of(f"{experiment_ref(self.tag, number)}^")
        if commit is None:
            raise self._unknown(number)
        return commit

    def _point_branch_at_best(self) -> bool:
        entries = self.entries()
        best = latest_kept(entries)
        own = {entry.code_commit for entry in entries}
        return best is None or self._branch.point_at(best.code_commit, own)

    def _path(self, number: int, name: str) -> str:
        return experiment_file(self.tag, number, name)

    def _read(self, number: int, ancestor: str, path: str) -> bytes:
        ref = experiment_ref(self.tag, number)
        with self._git.objects() as objects:
            commit, blob = objects.read([ref, f"{ref}{ancestor}:{path}"])
        if commit is None:
            raise self._unknown(number)
        if blob is None:
            raise LedgerError(f"experiment {number} of {self.tag!r} has no file {path!r}")
        return blob.content

    def _unknown(self, number: int) -> LedgerError:
        numbers = [entry.experiment.number for entry in self.entries()]
        known = f"{numbers[0]} to {numbers[-1]}" if numbers else "none yet"
        return LedgerError(f"no experiment {number} in campaign {self.tag!r}; there: {known}")

    def _read_all(self, objects: Objects) -> Iterator[Entry]:
        for first in count(0, _CHUNK):
            refs = {n: experiment_ref(self.tag, n) for n in range(first, first + _CHUNK)}
            commits = objects.read(list(refs.values()))
            if not any(commits):
                return
            records = objects.read([f"{ref}:{self._path(n, RECORD)}" for n, ref in refs.items()])
            for ref, commit, record in zip(refs.values(), commits, records, strict=True):
                if commit:
                    yield _entry(ref, commit, record)


def latest_kept(entries: Sequence[Entry]) -> Entry | None:
    """The best of a campaign: a keep replaces the best before it."""
    return next((entry for entry in reversed(entries) if entry.experiment.kept), None)


def campaigns(root: Path) -> list[str]:
    """The tags of all campaigns in the repository, in alphabetical order."""
    refs = Git(root).refs(REFS)
    return sorted({ref.removeprefix(f"{REFS}/").split("/")[0] for ref in refs})


def check_writable(folder: Path) -> None:
    """Look whether git could write objects and refs below `folder`.

    Raises:
        LedgerError: it could not.
    """
    for part in (folder, folder / "objects", folder / "refs"):
        try:
            tempfile.TemporaryFile(dir=part).close()
        except OSError as error:
            raise LedgerError(
                f"can't write to {part}: {error.strerror}; free some space or change its owner or "
                "permissions"
            ) from error


def _entry(ref: str, commit: Object, record: Object | None) -> Entry:
    headers = commit.content.decode(errors="replace").split("\n\n")[0].splitlines()
    parents = [line.removeprefix("parent ") for line in headers if line.startswith("parent ")]
    if record is None or len(parents) != 1:
        raise LedgerError(
            f"{ref} is not the record of an experiment; delete it: git update-ref -d {ref}"
        )
    try:
        return Entry(codec.decode(Experiment, record.content), parents[0], commit.name)
    except InputError as error:
        raise LedgerError(f"the {RECORD} of {ref} can't be read: {error}") from error
