"""An answer as it arrives: its text, its calls, and what it took.

openai's client hands on what a server sends without checking it, and servers differ: in whether
calls have an index or an id, whether text comes in parts, and when usage is told.
"""

import math
import time
from dataclasses import dataclass, field
from typing import TypeVar

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
from openai.types.chat.chat_completion import Choice as WholeChoice
from openai.types.chat.chat_completion_chunk import (
    Choice,
    ChoiceDelta,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallFunction,
)
from openai.types.completion_usage import PromptTokensDetails

from autoresearch_kit.records import Prices, Usage, codec
from autoresearch_kit.researchers.llm.messages import Reply, ToolCall
from autoresearch_kit.researchers.llm.prompt import CHARACTERS_PER_TOKEN

T = TypeVar("T")


@dataclass
class _Call:
    index: object
    id: str
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Answer:
    """What has arrived of one answer; the request that it answers has about `asked` tokens."""

    asked: int
    _began: float = field(default_factory=time.monotonic)
    _text: list[str] = field(default_factory=list)
    _refusal: list[str] = field(default_factory=list)
    _calls: list[_Call] = field(default_factory=list)
    _finish: str = ""
    _usage: CompletionUsage | None = None
    _characters: int = 0

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Add what a chunk brings."""
        for usage in _only(CompletionUsage, [chunk.usage]):
            self._usage = usage
        for choice in _only(Choice, chunk.choices)[:1]:
            self._finish = _text(choice.finish_reason) or self._finish
            for delta in _only(ChoiceDelta, [choice.delta]):
                self._add_delta(delta)

    def add_whole(self, whole: object) -> None:
        """Add an answer that came in one piece, if it is one."""
        for completion in _only(ChatCompletion, [whole]):
            self.add(_as_chunk(completion))

    @property
    def empty(self) -> bool:
        """Whether nothing has arrived that a chat completion has."""
        return not (self._finish or self._usage or self._characters)

    @property
    def whole(self) -> bool:
        """Whether its end has arrived."""
        return bool(self._finish or self._usage)

    @property
    def seconds(self) -> float:
        """Since the request was sent."""
        return time.monotonic() - self._began

    def usage(self, prices: Prices | None) -> Usage:
        """What it took: by the endpoint's figures, or where it told none, estimated upward."""
        tokens_in, tokens_out, cached = self.asked, self._tokens_out, 0
        if (told := self._usage) is not None:
            tokens_in = _count(told.prompt_tokens) or tokens_in
            tokens_out = _count(told.completion_tokens) or tokens_out
            for details in _only(PromptTokensDetails, [told.prompt_tokens_details]):
                cached = _count(details.cached_tokens)
        usd = None
        if prices is not None:
            fresh = max(0, tokens_in - cached)
            paid = fresh * prices.input + cached * prices.cached + tokens_out * prices.output
            usd = paid / 1e6
        return Usage(1, tokens_in, tokens_out, cached, round(self.seconds, 3), usd)

    def reply(self, usage: Usage) -> Reply:
        """The whole answer."""
        calls = tuple(
            ToolCall(call.id or f"call-{at}", call.name, _valid(call.arguments) or "{}")
            for at, call in enumerate(self._calls)
        )
        text, refusal = _valid(self._text), _valid(self._refusal)
        return Reply(text, calls, self._finish == "length", refusal, usage)

    def _add_delta(self, delta: ChoiceDelta) -> None:
        self._take(delta.content, self._text)
        self._take(delta.refusal, self._refusal)
        for thought in (delta.model_extra or {}).values():  # each server has its own name for it
            self._take(thought, [])
        for piece in _only(ChoiceDeltaToolCall, delta.tool_calls):
            for function in _only(ChoiceDeltaToolCallFunction, [piece.function]):
                self._add_to_call(piece, function)

    def _add_to_call(
        self, piece: ChoiceDeltaToolCall, function: ChoiceDeltaToolCallFunction
    ) -> None:
        name = _text(function.name)
        call = self._call_of(piece, name)
        call.id, call.name = call.id or _text(piece.id), call.name or name
        self._characters += len(name)
        self._take(function.arguments, call.arguments)

    def _take(self, value: object, into: list[str]) -> None:
        text = codec.compact(value).decode() if isinstance(value, dict) else _text(value)
        self._characters += len(text)
        into.append(text)

    def _call_of(self, piece: ChoiceDeltaToolCall, name: str) -> _Call:
        """The call that a piece goes on with: the last of its index, unless it has another id."""
        index: object = piece.index  # some servers leave it out, some say 0 for each call
        identity = _text(piece.id)
        last = next((call for call in reversed(self._calls) if call.index == index), None)
        another = last is not None and bool(identity and last.id) and identity != last.id
        unmarked = index is None and not identity and bool(name)
        if last is None or another or unmarked:
            last = _Call(index, identity)
            self._calls.append(last)
        return last

    @property
    def _tokens_out(self) -> int:
        return math.ceil(self._characters / CHARACTERS_PER_TOKEN)


def _as_chunk(completion: ChatCompletion) -> ChatCompletionChunk:
    choices = [
        {
            "delta": message.to_dict(warnings=False),
            "finish_reason": _text(choice.finish_reason) or "stop",
        }
        for choice in _only(WholeChoice, completion.choices)
        for message in _only(ChatCompletionMessage, [choice.message])
    ]
    return ChatCompletionChunk.construct(None, choices=choices, usage=completion.usage)


def _only(kind: type[T], values: object) -> list[T]:
    """Those of the values that are of this kind; a server may send anything."""
    return [one for one in values if isinstance(one, kind)] if isinstance(values, list) else []


def _valid(pieces: list[str]) -> str:
    """The pieces as one text that UTF-8 can hold: JSON may have halves of characters."""
    return "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text(value: object) -> str:
    """A text, also one that came as a list of parts."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
