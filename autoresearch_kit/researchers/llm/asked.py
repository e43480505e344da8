"""What the model is asked: the messages that open a conversation."""

import hashlib
from pathlib import Path

from autoresearch_kit.files.bounded import MEGABYTE, read_start
from autoresearch_kit.records import EditProtocol, Research
from autoresearch_kit.researchers.base import Surroundings, View
from autoresearch_kit.researchers.llm import prompt
from autoresearch_kit.researchers.llm.messages import Message, Role

DIRECTIVE = "program.md"

DIRECTIVE_LIMIT = MEGABYTE
"""Bytes of it that are read: more than any model takes."""


def proposal_messages(
    view: View, around: Surroundings, research: Research, protocol: EditProtocol
) -> list[Message]:
    """The messages that ask for the next experiment."""
    text = prompt.proposal_prompt(view, brief(around), around.history, research.prompt_tokens)
    return opening(protocol, text)


def opening(protocol: EditProtocol, text: str, *, may_probe: bool = True) -> list[Message]:
    """The kit's own rules for this protocol, and then the task."""
    rules = prompt.system_prompt(protocol, may_probe=may_probe)
    return [Message(Role.SYSTEM, rules), Message(Role.USER, text)]


def brief(around: Surroundings) -> prompt.Brief:
    """What a prompt says beside the history, with program.md as it is now."""
    directive = read_directive(around.workspace.root)
    return prompt.Brief(around.machine, around.dataset, around.settings, directive)


def read_directive(root: Path) -> str:
    """The start of the human's program.md as it is now; empty if there is none."""
    try:
        return read_start(root / DIRECTIVE, DIRECTIVE_LIMIT).decode(errors="replace")
    except FileNotFoundError:
        return ""


def digest(directive: str) -> str:
    """What an experiment records of the program.md it was proposed under; short hex."""
    return hashlib.sha256(directive.encode()).hexdigest()[:12]
