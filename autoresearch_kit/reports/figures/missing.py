"""What can't be shown, and why: stands where a figure or a table would."""

from dataclasses import dataclass

from autoresearch_kit.records.text import in_markdown


@dataclass(frozen=True)
class Missing:
    """A sentence that shows itself as the last line of a notebook's cell."""

    why: str

    def __str__(self) -> str:
        return self.why

    def _repr_markdown_(self) -> str:
        return in_markdown(self.why)
