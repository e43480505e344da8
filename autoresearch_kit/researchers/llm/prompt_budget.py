"""Fits a prompt into its budget in tokens.

A prompt has sections. Where it doesn't fit, they are shortened one step at a time, in the order of
`SHORTENING`, and only as far as is needed; the notebook and the human's words come last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_kit.researchers.llm.answer import estimate_tokens

SHORTENING = (
    "standing", "in flight", "best", "last", "lessons", "profile", "last", "best", "last",
    "directive", "guidance", "notebook", "lessons", "directive", "notebook",
)  # fmt: skip
"""Which section gives up its present version for the next shorter one: first, second, ..."""


@dataclass(frozen=True)
class Section:
    """A part of a prompt. An empty version leaves it out, its title too."""

    name: str
    title: str
    versions: tuple[str, ...]


def fit(title: str, sections: Sequence[Section], task: str, budget: int) -> str:
    """Return the prompt of these sections, shortened step by step until it has `budget` tokens."""
    steps = dict.fromkeys((section.name for section in sections), 0)
    text = _joined(title, sections, task, steps)
    for name in SHORTENING:
        if estimate_tokens(text) <= budget:
            break
        if name in steps:
            steps[name] += 1
            text = _joined(title, sections, task, steps)
    return text


def _joined(title: str, sections: Sequence[Section], task: str, steps: dict[str, int]) -> str:
    shown = [
        f"## {section.title}\n\n{text}"
        for section in sections
        if (text := section.versions[min(steps[section.name], len(section.versions) - 1)])
    ]
    return "\n\n".join([title, *shown, f"## The task\n\n{task}"])
