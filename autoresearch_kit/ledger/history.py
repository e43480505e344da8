"""The experiments of a campaign, read from git and recorded in it.

Each experiment is two commits. The code commit changes the campaign's notebook and stands on the
code commit of the experiment it was derived from; the record commit on top of it adds the folder
`experiments/<tag>/<NNNN>/`. The ref `refs/autoresearch/<tag>/<NNNN>`, created last and only if
absent, points at the record commit: from then on the experiment exists. The branch
`autoresearch/<tag>` is derived from the refs and points at the best's code commit.

A person's answer whether a keep may be built on is a commit on top of its record commit, and a ref
of its own, `refs/autoresearch/<tag>/approvals/<NNNN>`: created once, and never changed.
"""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType

from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.files.paths import checked
from autoresearch_kit.ledger import refs
from autoresearch_kit.ledger.branch import Branch
from autoresearch_kit.ledger.entries import (
    APPROVAL,
    RECORD,
    Entry,
    approval_message,
    best_entry,
    by_number,
    code_commits,
    code_message,
    read_answers,
    read_entries,
    record_message,
    why_no_answer,
)
from autoresearch_kit.ledger.git import Change, Git
from autoresearch_kit.ledger.repository import PROJECT, check_not_brought, check_writable
from autoresearch_kit.records import Approval, Experiment, codec

KEPT_SOURCES = 16
"""Notebooks that a campaign's process keeps: the best's is asked for several times an experiment.
"""


NOTHING_KNOWN: Mapping[int, Entry] = MappingProxyType({})


class History:
    """The experiments of campaign `tag` in the repository whose checkout is at `root`.

    Only the process that runs the campaign is its `writer`. It keeps the notebooks that it read
    last, since nobody else can delete them.

    Raises:
        InputError: the tag is not valid, or the path is not UTF-8, or has a line break.
    """

    def __init__(self, root: Path, tag: str, *, writer: bool = False):
        self.root = checked(root, PROJECT)
        self.tag = refs.valid_tag(tag)
        self._git = Git(root)
        self._branch = Branch(self._git, tag)
        self._source = lru_cache(maxsize=KEPT_SOURCES if writer else 0)(self._read_source)

    def append(self, experiment: Experiment, notebook: str, files: Mapping[str, bytes]) -> Entry:
        """Record an experiment for good.

        `notebook` is the text of the notebook without outputs; `files` go next to `record.json`.
        If it returns, the experiment is on disk and stays; if it raises, it does not exist.

        Raises:
            LedgerError: the number is taken, the parent unknown, or git refused (full disk, ...).
        """
        number, parent = experiment.number, self._parent(experiment)
        files = {**files, RECORD: codec.encode(experiment)}
        record = {self._path(number, name): data for name, data in files.items()}
        edit = {experiment.settings.notebook: notebook.encode()}
        changes = Change(edit, code_message(experiment)), Change(record, record_message(experiment))
        code, commit = self._git.commit(parent, changes, self._scratch())
        self._git.update_refs([f"create {self._ref(number)} {commit}"])
        if experiment.kept:
            with suppress(LedgerError):  # the branch is derived: the next keep or repair moves it
                self.follow_best()
        return Entry(experiment, code, commit)

    def entries(self, known: Mapping[int, Entry] = NOTHING_KNOWN) -> list[Entry]:
        """Return all experiments by number.

        `known` are entries of an earlier call by number: those that are still the same are not read
        again.

        Raises:
            LedgerError: an experiment's ref exists, but its record can't be read.
        """
        found = self._refs()
        commits, answers = by_number(found, refs.parse_ref), by_number(found, refs.parse_approval)
        entries = {
            number: known[number]
            for number, commit in commits.items()
            if number in known
            and known[number].record_commit == commit
            and known[number].approval_commit == answers.get(number)
        }
        entries |= read_entries(self._git, self.tag, [n for n in commits if n not in entries])
        new = [n for n in answers if n in entries and entries[n].approval_commit is None]
        for number, (commit, approval) in read_answers(self._git, self.tag, new).items():
            entry = entries[number]
            answered = replace(entry.experiment, approval=approval)
            entries[number] = replace(entry, experiment=answered, approval_commit=commit)
        return [entries[number] for number in sorted(entries)]

    def experiments(self) -> list[Experiment]:
        """Return all experiments by number."""
        return [entry.experiment for entry in self.entries()]

    def answer(self, number: int, *, approved: bool, note: str = "") -> Approval:
        """Record whether keep `number` may be built on, as the person whom git knows here.

        Raises:
            InputError: it waits for no answer, or git does not know who this is.
            LedgerError: there is no such experiment, or somebody answered meanwhile.
        """
        entry = next((each for each in self.entries() if each.experiment.number == number), None)
        if entry is None:
            raise self._unknown(number)
        if not entry.experiment.waits:
            raise InputError(why_no_answer(entry.experiment))
        name, email = self._git.person()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        approval = Approval(approved, name, email, now, note)
        files = {self._path(number, APPROVAL): codec.encode(approval)}
        change = Change(files, approval_message(entry.experiment, approval))
        [commit] = self._git.commit(entry.record_commit, [change], self._scratch())
        self._git.update_refs([f"create {refs.approval_ref(self.tag, number)} {commit}"])
        with suppress(LedgerError):  # the branch is derived: the next keep or repair moves it
            self.follow_best()
        return approval

    def answers(self) -> dict[int, Approval]:
        """Return what people answered about keeps, by number."""
        numbers = list(by_number(self._refs(refs.approvals_refs(self.tag)), refs.parse_approval))
        read = read_answers(self._git, self.tag, numbers)
        return {number: answer for number, (_, answer) in read.items()}

    def answers_mark(self) -> tuple[str, ...]:
        """Return what is different after each answer; it takes no git process to know."""
        folder = self._folder / refs.approvals_refs(self.tag)
        return tuple(sorted(path.name for path in folder.glob("*")))

    def experiment(self, number: int) -> Experiment:
        """Return experiment `number`; LedgerError if there is none, which says what there is."""
        experiment = self._recorded(number)
        return replace(experiment, approval=self.answers().get(number))

    def best(self) -> Entry | None:
        """Return the kept experiment that no other has replaced, or None before the baseline."""
        return best_entry(self.entries())

    def next_number(self) -> int:
        """Return the number of the next experiment; the baseline is 0."""
        return max(self._numbers(), default=-1) + 1

    def source(self, number: int) -> str:
        """Return the text of experiment `number`'s notebook."""
        return self._source(number)

    def _read_source(self, number: int) -> str:
        notebook = self._recorded(number).settings.notebook
        return self._read(number, f"{self._ref(number)}^:{notebook}").decode()

    def file(self, number: int, name: str) -> bytes:
        """Return the file that `append` got as `files[name]`, or `record.json`."""
        return self._read(number, f"{self._ref(number)}:{self._path(number, name)}")

    def disk_bytes(self) -> int:
        """Return the bytes that the campaign's own objects take on disk."""
        if 0 not in self._numbers():
            return 0
        mine, before = f"--glob={refs.campaign_refs(self.tag)}/*", f"{self._ref(0)}^^@"
        return int(self._git.line("rev-list", "--objects", "--disk-usage", mine, "--not", before))

    def check(self) -> None:
        """Check that a campaign can write its history.

        Raises:
            LedgerError: it can't; the message says why and what to do.
        """
        check_not_brought(self._git)
        check_writable(self._git.folder())
        self._branch.check(code_commits(self.entries()))

    def repair(self) -> bool:
        """Remove what a killed process left behind; return True if the branch is at the best now.

        That is this campaign's temporary indexes, and locks on its own refs and branch. Call it
        only while holding the campaign's lock, so that no git process of the kit is at work.
        """
        branch_lock = self._folder / f"{self._branch.ref}.lock"
        own = self._folder / refs.campaign_refs(self.tag)
        for lock in [*own.glob("*.lock"), *own.glob("*/*.lock"), branch_lock]:
            lock.unlink(missing_ok=True)
        shutil.rmtree(self._scratch(), ignore_errors=True)
        return self.follow_best()

    def follow_best(self) -> bool:
        """Point the branch at the best; return True if it points there now.

        It stays while it is checked out somewhere, so that no checkout changes by itself, and while
        it points at a commit that is not the campaign's.
        """
        entries = self.entries()
        best = best_entry(entries)
        return best is None or self._branch.point_at(best.code_commit, code_commits(entries))

    def delete(self) -> int:
        """Remove the experiments and the branch; return the number of experiments.

        Git's gc drops the commits some weeks later. A branch that points at a commit that is not
        the campaign's stays.

        Raises:
            LedgerError: there are no experiments, or the branch is checked out.
        """
        refs.check_known(self._git, self.tag)
        entries = self.entries()
        self._branch.check_not_checked_out()
        deleted = self._refs()
        if (commit := self._branch.commit()) in code_commits(entries):
            deleted[self._branch.ref] = str(commit)
        self._git.update_refs([f"delete {ref} {commit}" for ref, commit in deleted.items()])
        return len(entries)

    @cached_property
    def _folder(self) -> Path:
        return self._git.folder()

    def _refs(self, prefix: str = "") -> dict[str, str]:
        """Return the commits that the campaign's refs point at, or those under a prefix."""
        return self._git.refs(prefix or refs.campaign_refs(self.tag))

    def _numbers(self) -> list[int]:
        return sorted(by_number(self._refs(), refs.parse_ref))

    def _recorded(self, number: int) -> Experiment:
        """Return experiment `number` as it was recorded, before anybody answered."""
        return codec.decode(Experiment, self.file(number, RECORD))

    def _scratch(self) -> Path:
        """Return the folder of this campaign's temporary indexes, which `repair` removes."""
        return self._folder / "autoresearch" / self.tag

    def _parent(self, experiment: Experiment) -> str | None:
        """Return the parent of the experiment's code commit, None in a repository without one."""
        number, parent = experiment.number, experiment.proposal.parent
        if experiment.tag != self.tag:
            raise LedgerError(f"an experiment of {experiment.tag!r} can't go into {self.tag!r}")
        base = "HEAD" if parent is None else f"{self._ref(parent)}^"
        existing, commit = self._git.objects([self._ref(number), base])
        if existing:
            raise LedgerError(
                f"experiment {number} of {self.tag!r} exists already, and experiments never "
                f"change; the next one is {self.next_number()}"
            )
        if commit is None and parent is not None:
            raise self._unknown(parent)
        return commit.name if commit else None

    def _ref(self, number: int) -> str:
        return refs.experiment_ref(self.tag, number)

    def _path(self, number: int, name: str) -> str:
        return refs.experiment_file(self.tag, number, name)

    def _read(self, number: int, name: str) -> bytes:
        commit, blob = self._git.objects([self._ref(number), name])
        if commit is None:
            raise self._unknown(number)
        if blob is None:
            path = name.partition(":")[2]
            raise LedgerError(f"experiment {number} of {self.tag!r} has no file {path!r}")
        return blob.content

    def _unknown(self, number: int) -> LedgerError:
        numbers = self._numbers()
        known = f"{numbers[0]} to {numbers[-1]}" if numbers else "none yet"
        return LedgerError(f"no experiment {number} in campaign {self.tag!r}; there: {known}")
