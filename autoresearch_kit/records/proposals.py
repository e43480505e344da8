"""Proposals of researchers, and a person's answer about a keep."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autoresearch_kit.records.runs import Run
from autoresearch_kit.records.text import one_line

Constant = bool | int | float | str  # the value of a CAPITAL constant of the `config` cell
IDEA_LENGTH, HYPOTHESIS_LENGTH = 120, 1000  # characters of an idea, and of a hypothesis, at most

NOTE_LENGTH = 500  # characters of a note that are shown


class EditAction(StrEnum):
    """The kinds of cell edits."""

    REPLACE = "replace"
    INSERT = "insert"
    DELETE = "delete"


@dataclass(frozen=True)
class CellEdit:
    """One edit of one editable cell. Delete needs no `source`; only insert needs `after`."""

    action: EditAction
    cell: str
    source: str = ""
    after: str = ""


@dataclass(frozen=True)
class Attempt:
    """A run that crashed on a bug which was then repaired: the edits, the run and its traceback.

    `traceback` came out of unreviewed code. `idea` and `hypothesis` are those before the repair;
    empty where they were not written down.
    """

    edits: tuple[CellEdit, ...]
    constants: Mapping[str, Constant]
    run: Run
    traceback: str
    idea: str = ""
    hypothesis: str = ""


@dataclass(frozen=True)
class Provenance:
    """The conversations with a language model that led to a proposal.

    `endpoint` is the host that was asked, without secrets. `prompts` are SHA-256 digests in hex of
    the messages that opened each conversation, as compact JSON; `tools` name the calls that the
    model made in them, in order. `at` is when the proposal was submitted, in UTC: it makes no other
    proposal of the same one.
    """

    endpoint: str
    prompts: tuple[str, ...]
    tools: tuple[str, ...]
    at: str = field(compare=False)


@dataclass(frozen=True)
class Proposal:
    """A researcher's proposal: cell edits first, then constants set in `config`.

    `parent` is the number of the experiment whose notebook is edited; the baseline has none.
    `directive` digests the program.md, and `guidance` is the human's, at the time it was made;
    `model` names the language model, and `lessons` are what it had learnt, if it was asked.
    `attempts` are the runs of this idea that crashed on a bug which was then repaired; `idea`,
    `hypothesis` and `category` are those given with the repair. `failure` says why nothing came of
    the idea: then there is nothing to run. `retry_of` is the number of a disturbed experiment that
    is tried again by this one. `provenance` says how it was made, if a model was asked.
    """

    number: int
    parent: int | None
    researcher: str
    idea: str
    hypothesis: str
    category: str = ""
    edits: tuple[CellEdit, ...] = ()
    constants: Mapping[str, Constant] = field(default_factory=dict)
    directive: str = ""
    guidance: str = ""
    model: str = ""
    lessons: str = ""
    attempts: tuple[Attempt, ...] = ()
    failure: str = ""
    retry_of: int | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True)
class Approval:
    """An answer: who gave it, by git's name and address of them, and when, in UTC."""

    approved: bool
    name: str
    email: str
    at: str
    note: str = ""

    def __str__(self) -> str:
        word = "approved" if self.approved else "rejected"
        note = f": {one_line(self.note, NOTE_LENGTH)}" if self.note else ""
        return f"{word} by {self.name} <{self.email}> at {self.at}{note}"
