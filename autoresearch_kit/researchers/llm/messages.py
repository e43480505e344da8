"""What goes to a chat-completions endpoint and what comes back, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autoresearch_kit.records import Usage


class Role(StrEnum):
    """Whose words a message holds."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True)
class ToolCall:
    """A function call that the model asks for; `arguments` is JSON as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One message of a conversation. The outcome of a call carries its `call_id`."""

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True)
class Tool:
    """A function that the model may call; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, object]


@dataclass(frozen=True)
class Reply:
    """What the model answered. `truncated`: its length limit cut it off."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    truncated: bool = False
    refusal: str = ""
    usage: Usage = field(default_factory=Usage)
