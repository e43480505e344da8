"""A model's answer as it arrives: its text, its calls, and what it took.

openai's client hands on what a server sends without checking it, and its own accumulator of chunks
trusts that calls have an index and repeat no id. Servers differ in both, in whether text comes in
parts, and in when they tell usage, so answers are put together here.
"""

import math
import time
from dataclasses import dataclass, field

import msgspec
from openai.types.chat import ChatCompletionAssistantMessageParam

from autoresearch_kit.records import Prices, Usage, codec

CHARACTERS_PER_TOKEN = 3
"""Fewer than any common tokenizer needs for English and Python, so that estimates err upward."""


def estimate_tokens(text: str) -> int:
    """Return about how many tokens `text` has, rather too many than too few.

    The model's tokenizer is not known here, and might have to be downloaded.
    """
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class ToolCall:
    """A function call that the model asks for; `arguments` is JSON as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """A whole answer of the model; `truncated` if its length limit cut it off."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    truncated: bool = False
    refusal: str = ""
    usage: Usage = field(default_factory=Usage)

    def message(self) -> ChatCompletionAssistantMessageParam:
        """Return the reply as a message of the conversation that goes on."""
        message: ChatCompletionAssistantMessageParam = {"role": "assistant", "content": self.text}
        if self.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in self.calls
            ]
        return message


class _Part(msgspec.Struct):
    text: str | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, object] | None = None


class _CallPiece(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    """A message, or a part of one; `model_extra` has thoughts, which each server names its way."""

    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_CallPiece] | None = None
    model_extra: dict[str, object] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _CachedTokens(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _CachedTokens | None = None


class _Chunk(msgspec.Struct):
    """A part of an answer, or all of it; the one choice that was asked for is in it."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None


@dataclass
class _Call:
    index: int | None
    id: str
    name: str = ""
    arguments: str = ""


@dataclass(eq=False)
class Answer:
    """One answer as it arrives; the request that it answers has about `asked` tokens."""

    asked: int
    _began: float = field(default_factory=time.monotonic)
    _text: list[str] = field(default_factory=list)
    _refusal: str = ""
    _calls: list[_Call] = field(default_factory=list)
    _finish: str = ""
    _usage: _Usage | None = None
    _characters: int = 0

    def add(self, part: object) -> None:
        """Add a ChatCompletionChunk, or a whole ChatCompletion.

        Raises:
            msgspec.ValidationError: it does not have the form of either.
        """
        chunk = msgspec.convert(part, _Chunk, strict=False, from_attributes=True)
        self._usage = chunk.usage or self._usage
        for choice in (chunk.choices or [])[:1]:
            whole = "stop" if choice.message else ""
            self._finish = choice.finish_reason or self._finish or whole
            self._add_delta(choice.delta or choice.message or _Delta())

    @property
    def empty(self) -> bool:
        """Return True while nothing has arrived that a chat completion has."""
        return not (self._finish or self._usage or self._characters)

    @property
    def whole(self) -> bool:
        """Return True once the answer's end has arrived."""
        return bool(self._finish or self._usage)

    @property
    def seconds(self) -> float:
        """Return the time since the request was sent."""
        return time.monotonic() - self._began

    def usage(self, prices: Prices | None) -> Usage:
        """Return what the answer took, by the endpoint's figures, or estimated upward."""
        reported = self._usage or _Usage()
        details = reported.prompt_tokens_details or _CachedTokens()
        estimated = math.ceil(self._characters / CHARACTERS_PER_TOKEN)
        tokens_in = max(0, reported.prompt_tokens or 0) or self.asked
        tokens_out = max(0, reported.completion_tokens or 0) or estimated
        cached = max(0, details.cached_tokens or 0)
        usd = None
        if prices is not None:
            fresh = max(0, tokens_in - cached)
            paid = fresh * prices.input + cached * prices.cached + tokens_out * prices.output
            usd = paid / 1e6
        return Usage(1, tokens_in, tokens_out, cached, round(self.seconds, 3), usd)

    def reply(self, usage: Usage) -> Reply:
        """Return the answer as far as it came."""
        calls = tuple(
            ToolCall(call.id or f"call-{number}", call.name, _valid(call.arguments) or "{}")
            for number, call in enumerate(self._calls)
        )
        text, refusal = _valid("".join(self._text)), _valid(self._refusal)
        return Reply(text, calls, self._finish == "length", refusal, usage)

    def _add_delta(self, delta: _Delta) -> None:
        parts = delta.content or ""
        text = parts if isinstance(parts, str) else "".join(part.text or "" for part in parts)
        self._text.append(text)
        self._refusal += delta.refusal or ""
        # thoughts are paid for like any output
        thoughts = (value for value in (delta.model_extra or {}).values() if isinstance(value, str))
        self._characters += len(text) + len(delta.refusal or "") + sum(map(len, thoughts))
        for piece in delta.tool_calls or []:
            self._add_to_call(piece, piece.function or _Function())

    def _add_to_call(self, piece: _CallPiece, function: _Function) -> None:
        name, arguments = function.name or "", function.arguments or ""
        if isinstance(arguments, dict):
            arguments = codec.compact(arguments).decode()
        # Some servers leave the index out and some say 0 for each call, so a piece belongs to the
        # last call of its index, unless its id is another, or only a name tells a new call.
        call = next((made for made in reversed(self._calls) if made.index == piece.index), None)
        unmarked = piece.index is None and not piece.id and bool(name)
        if call is None or unmarked or (piece.id and call.id and piece.id != call.id):
            call = _Call(piece.index, "")
            self._calls.append(call)
        call.id, call.name = call.id or piece.id or "", call.name or name
        call.arguments += arguments
        self._characters += len(name) + len(arguments)


def _valid(text: str) -> str:
    """Return `text` as UTF-8 can hold it: JSON may have halves of characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
