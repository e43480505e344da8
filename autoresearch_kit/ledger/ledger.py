"""Experiments as git commits and refs: the ledger of a campaign.

Each experiment is two commits. The code commit changes the campaign's notebook and stands on the
code commit of the experiment it was derived from; the record commit on top of it adds the folder
`experiments/<tag>/<NNNN>/`. The ref `refs/autoresearch/<tag>/<NNNN>`, created last and only if
absent, points at the record commit: from then on the experiment exists. The branch
`autoresearch/<tag>` is derived from the refs and points at the best's code commit.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.files.paths import checked
from autoresearch_kit.ledger.branch import Branch
from autoresearch_kit.ledger.commit_message import code_message, record_message
from autoresearch_kit.ledger.plumbing import Git, Object, Objects
from autoresearch_kit.ledger.refs import (
    REFS,
    branch_ref,
    campaign_refs,
    experiment_file,
    experiment_ref,
    parse_ref,
    valid_tag,
)
from autoresearch_kit.ledger.repository import PROJECT, check_not_brought, check_writable
from autoresearch_kit.records import Experiment, best_of, codec, next_number

NOTEBOOK = "notebooks/train.ipynb"
"""The usual training notebook, from the top of the checkout; a campaign's settings name its own."""

RECORD = "record.json"
_CHUNK = 25


@dataclass(frozen=True)
class Entry:
    """An experiment and its two commits, by their full names."""

    experiment: Experiment
    code_commit: str
    record_commit: str


class History:
    """The experiments of campaign `tag` in the repository whose checkout is at `root`.

    Raises:
        InputError: the tag is not one, or the path is not UTF-8, or has a line break.
    """

    def __init__(self, root: Path, tag: str):
        self.root = checked(root, PROJECT)
        self.tag = valid_tag(tag)
        self._git = Git(root)
        self._branch = Branch(self._git, tag)

    def append(self, experiment: Experiment, notebook: str, files: Mapping[str, bytes]) -> Entry:
        """Record an experiment for good.

        `notebook` is the text of the notebook without outputs; `files` go next to `record.json`.
        If it returns, the experiment is on disk and stays; if it raises, it does not exist.

        Raises:
            LedgerError: the number is taken, the parent unknown, or git refused (full disk, ...).
        """
        parent = self._parent(experiment)
        files = {**files, RECORD: codec.encode(experiment)}
        record = {self._path(experiment.number, name): data for name, data in files.items()}
        with self._git.tree(parent, self._scratch()) as tree:
            tree.put({experiment.settings.notebook: notebook.encode()})
            code = tree.commit(code_message(experiment), parent)
            tree.put(record)
            commit = tree.commit(record_message(experiment), code)
        self._git.update_refs([f"create {experiment_ref(self.tag, experiment.number)} {commit}"])
        if experiment.kept:
            with suppress(LedgerError):  # the branch is derived: the next keep or repair moves it
                self.follow_best()
        return Entry(experiment, code, commit)

    def entries(self, since: int = 0) -> list[Entry]:
        """Return all experiments by number, from `since` on, read by a single git process.

        Raises:
            LedgerError: an experiment's ref exists, but its record can't be read.
        """
        with self._git.objects() as objects:
            return list(self._read_all(objects, since))

    def experiments(self) -> list[Experiment]:
        """Return all experiments by number."""
        return [entry.experiment for entry in self.entries()]

    def experiment(self, number: int) -> Experiment:
        """Return experiment `number`.

        Raises:
            LedgerError: there is none; the message says which there are.
        """
        return codec.decode(Experiment, self.file(number, RECORD))

    def best(self) -> Entry | None:
        """Return the latest kept experiment, or None before the baseline."""
        return latest_kept(self.entries())

    def next_number(self) -> int:
        """Return the number of the next experiment; the baseline is 0."""
        return next_number(self.experiments())

    def source(self, number: int) -> str:
        """Return the text of experiment `number`'s notebook."""
        return self._read(number, "^", self._notebook(number)).decode()

    def file(self, number: int, name: str) -> bytes:
        """Return the file that `append` got as `files[name]`, or `record.json`."""
        return self._read(number, "", self._path(number, name))

    def diff(self, number: int) -> tuple[str, str]:
        """Return the notebook that experiment `number` was derived from, and its own.

        The first is empty if the project had no notebook committed when the campaign began.
        """
        own = self.source(number)
        with self._git.objects() as objects:
            notebook = self._notebook(number)
            [before] = objects.read([f"{experiment_ref(self.tag, number)}^^:{notebook}"])
        return (before.content.decode() if before else "", own)

    def disk_bytes(self) -> int:
        """Return the bytes that the campaign's own objects take on disk."""
        first = experiment_ref(self.tag, 0)
        if self._git.commits_of(first) == [None]:
            return 0
        mine, before = f"--glob={campaign_refs(self.tag)}/*", f"{first}^^@"
        return int(self._git.line("rev-list", "--objects", "--disk-usage", mine, "--not", before))

    def check(self) -> None:
        """Check that a campaign can write its history.

        Raises:
            LedgerError: it can't; the message says why and what to do.
        """
        check_not_brought(self._git)
        check_writable(self._git.folder())
        self._branch.check(_code_commits(self.entries()))

    def repair(self) -> bool:
        """Remove what a killed process left behind; return True if the branch is at the best now.

        That is this campaign's temporary indexes, and locks on its own refs and branch. Call it
        only while holding the campaign's lock, so that no git process of the kit is at work.
        """
        folder = self._git.folder()
        branch_lock = folder / f"{branch_ref(self.tag)}.lock"
        for lock in [*(folder / campaign_refs(self.tag)).glob("*.lock"), branch_lock]:
            lock.unlink(missing_ok=True)
        shutil.rmtree(self._scratch(), ignore_errors=True)
        return self.follow_best()

    def _scratch(self) -> Path:
        """Return the folder of this campaign's temporary indexes, which `repair` removes."""
        return self._git.folder() / "autoresearch" / self.tag

    def follow_best(self) -> bool:
        """Point the branch at the best; return True if it points there now.

        It stays while it is checked out somewhere, so that no checkout changes by itself, and while
        it points at a commit that is not the campaign's.
        """
        entries = self.entries()
        best = latest_kept(entries)
        return best is None or self._branch.point_at(best.code_commit, _code_commits(entries))

    def delete(self) -> int:
        """Remove the experiments and the branch; return the number of experiments.

        Git's gc drops the commits some weeks later. A branch that points at a commit that is not
        the campaign's stays.

        Raises:
            LedgerError: there are no experiments, or the branch is checked out.
        """
        entries = self.entries()
        if not entries:
            known = ", ".join(campaigns(self.root)) or "none yet"
            raise LedgerError(f"no campaign {self.tag!r} in {self.root}; there: {known}")
        refs = self._git.refs(campaign_refs(self.tag))
        experiments = [f"delete {ref} {commit}" for ref, commit in refs.items()]
        self._git.update_refs(self._branch.deletion(_code_commits(entries)) + experiments)
        return len(entries)

    def _parent(self, experiment: Experiment) -> str | None:
        """Return the parent of the experiment's code commit, None in a repository without one."""
        number, parent = experiment.number, experiment.proposal.parent
        if experiment.tag != self.tag:
            raise LedgerError(f"an experiment of {experiment.tag!r} can't go into {self.tag!r}")
        base = "HEAD" if parent is None else f"{experiment_ref(self.tag, parent)}^"
        existing, commit = self._git.commits_of(experiment_ref(self.tag, number), base)
        if existing:
            raise LedgerError(
                f"experiment {number} of {self.tag!r} exists already, and experiments never "
                f"change; the next one is {self.next_number()}"
            )
        if commit is None and parent is not None:
            raise self._unknown(parent)
        return commit

    def _notebook(self, number: int) -> str:
        record = self._read(number, "", self._path(number, RECORD))
        return codec.decode(Experiment, record).settings.notebook

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

    def _read_all(self, objects: Objects, since: int) -> Iterator[Entry]:
        for first in count(since, _CHUNK):
            refs = {n: experiment_ref(self.tag, n) for n in range(first, first + _CHUNK)}
            commits = objects.read(list(refs.values()))
            if not any(commits):
                return
            records = objects.read([f"{ref}:{self._path(n, RECORD)}" for n, ref in refs.items()])
            for ref, commit, record in zip(refs.values(), commits, records, strict=True):
                if commit:
                    yield _entry(ref, commit, record)


def latest_kept(entries: Sequence[Entry]) -> Entry | None:
    """Return the best of a campaign, or None before the baseline."""
    best = best_of([entry.experiment for entry in entries])
    return next((entry for entry in entries if entry.experiment is best), None)


def campaigns(root: Path) -> list[str]:
    """Return the tags of all campaigns in the repository, in alphabetical order."""
    refs = Git(root).refs(REFS)
    return sorted({known[0] for ref in refs if (known := parse_ref(ref))})


def delete(root: Path, tag: str) -> int:
    """Remove campaign `tag`; return the number of its experiments."""
    return History(root, tag).delete()


def _code_commits(entries: Sequence[Entry]) -> set[str]:
    return {entry.code_commit for entry in entries}


def _entry(ref: str, commit: Object, record: Object | None) -> Entry:
    headers = commit.content.decode(errors="replace").split("\n\n")[0].splitlines()
    parents = [line.removeprefix("parent ") for line in headers if line.startswith("parent ")]
    if record is None or len(parents) != 1:
        raise LedgerError(
            f"{ref} is not the record of an experiment of this campaign; look at it: git show {ref}"
        )
    try:
        return Entry(codec.decode(Experiment, record.content), parents[0], commit.name)
    except InputError as error:
        raise LedgerError(f"the {RECORD} of {ref} can't be read: {error}") from error
