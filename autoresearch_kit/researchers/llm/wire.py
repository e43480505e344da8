"""A chat completion as it stands in JSON, in the many dialects of its servers."""

from dataclasses import dataclass

from autoresearch_kit import codec
from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Prices, Usage
from autoresearch_kit.researchers.llm.messages import Message, Reply, Tool, ToolCall


@dataclass(frozen=True)
class WirePart:
    """A piece of a content that came in pieces."""

    text: str | None = None


@dataclass(frozen=True)
class WireFunction:
    """What a call calls."""

    name: str | None = None
    arguments: str | dict[str, object] | None = None


@dataclass(frozen=True)
class WireCall:
    """One function call."""

    function: WireFunction
    id: str | None = None


@dataclass(frozen=True)
class WireMessage:
    """The model's message."""

    content: str | tuple[WirePart, ...] | None = None
    refusal: str | None = None
    tool_calls: tuple[WireCall, ...] | None = None


@dataclass(frozen=True)
class WireChoice:
    """One choice; only the first is read."""

    message: WireMessage
    finish_reason: str | None = None


@dataclass(frozen=True)
class WireDetails:
    """Of the tokens in."""

    cached_tokens: int | None = None


@dataclass(frozen=True)
class WireUsage:
    """The endpoint's own count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: WireDetails | None = None


@dataclass(frozen=True)
class WireCompletion:
    """The whole answer."""

    choices: tuple[WireChoice, ...] | None = None
    usage: WireUsage | None = None


@dataclass(frozen=True)
class WireError:
    """Why there is no answer."""

    message: str


@dataclass(frozen=True)
class WireFailure:
    """The body of an error status; some servers write no more than a text, old vLLM no `error`."""

    error: WireError | str | None = None
    message: str | None = None


def read_error(body: str) -> str:
    """What an error's body says; the body itself where it is in no known form."""
    try:
        failure = codec.decode(WireFailure, body)
    except InputError:
        return body
    if isinstance(failure.error, WireError):
        return failure.error.message
    return failure.error or failure.message or body


def read_reply(body: str, seconds: float, prices: Prices | None) -> Reply:
    """The reply in an answer's body, which may be empty.

    Raises:
        InputError: it is no chat completion, or one without a choice.
    """
    completion = codec.decode(WireCompletion, body)
    usage = _usage(completion.usage or WireUsage(), seconds, prices)
    if not completion.choices:
        raise InputError("no choices")
    choice = completion.choices[0]
    text, calls = _text(choice.message), _calls(choice.message)
    refusal = choice.message.refusal or ""
    truncated = choice.finish_reason == "length"
    return Reply(text, calls, truncated, refusal, usage)


def _text(message: WireMessage) -> str:
    if isinstance(message.content, tuple):
        return "".join(part.text or "" for part in message.content)
    return message.content or ""


def _calls(message: WireMessage) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(call.id or f"call-{at}", call.function.name or "", _arguments(call.function))
        for at, call in enumerate(message.tool_calls or ())
    )


def _arguments(function: WireFunction) -> str:
    if isinstance(function.arguments, dict):
        return codec.compact(function.arguments).decode()
    return function.arguments or "{}"


def _usage(wire: WireUsage, seconds: float, prices: Prices | None) -> Usage:
    tokens_in, tokens_out = wire.prompt_tokens or 0, wire.completion_tokens or 0
    cached = (wire.prompt_tokens_details or WireDetails()).cached_tokens or 0
    usd = None
    if prices is not None:
        fresh = max(0, tokens_in - cached)
        paid = fresh * prices.input + cached * prices.cached + tokens_out * prices.output
        usd = paid / 1e6
    return Usage(1, tokens_in, tokens_out, cached, round(seconds, 3), usd)


def write_message(message: Message) -> dict[str, object]:
    """A message as the endpoint wants it."""
    written: dict[str, object] = {"role": message.role.value, "content": message.text}
    if message.calls:
        written["tool_calls"] = [_write_call(call) for call in message.calls]
    if message.call_id:
        written["tool_call_id"] = message.call_id
    return written


def _write_call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def write_tool(tool: Tool) -> dict[str, object]:
    """A tool as the endpoint wants it."""
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}
