"""A person's answer whether a keep may be built on."""

from dataclasses import dataclass

from autoresearch_kit.records.text import one_line

NOTE_LENGTH = 500  # characters of a note that are shown


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
