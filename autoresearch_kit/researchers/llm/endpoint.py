"""An OpenAI-compatible endpoint: asked with bounded patience, its faults in plain words."""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import httpx2
import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from autoresearch_kit.errors import EndpointError, InputError
from autoresearch_kit.records import Usage, codec
from autoresearch_kit.researchers.llm.answer import Answer
from autoresearch_kit.researchers.llm.client import NOT_SENT, hang_up, make_client
from autoresearch_kit.researchers.llm.messages import Message, Reply, Role, Tool
from autoresearch_kit.researchers.llm.params import message_param, tool_param
from autoresearch_kit.researchers.llm.prompt import estimate_tokens
from autoresearch_kit.researchers.llm.wording import Wording
from autoresearch_kit.researchers.model import Model

ANSWERS = 3
"""Answers to one request that may break off or be of no use."""

LONGEST = 3600.0
"""Seconds after which an answer is given up, although something still comes."""

_STREAMING = re.compile(r"\bstream(?:ing|ed|_options)?\b|\binclude_usage\b", re.IGNORECASE)

Count = Callable[[Usage], object]


Allow = Callable[[], object]


def not_counted(usage: Usage) -> None:
    """For a request that belongs to no experiment."""


def not_limited() -> None:
    """For a request that no cap holds for."""


class _Way(IntEnum):
    """How answers are asked for; the next lower one where an endpoint refuses it."""

    WHOLE = 0
    STREAM = 1
    STREAM_WITH_USAGE = 2


class _NoUseError(Exception):
    """An answer broke off, or is of no use; another one may be better."""


@dataclass(frozen=True)
class _Request:
    messages: Sequence[Message]
    tools: Sequence[Tool]

    @property
    def tokens(self) -> int:
        """About how many it has."""
        return estimate_tokens(codec.compact((self.messages, self.tools)).decode())


@dataclass(eq=False)
class _UnderWay:
    """A request that was sent, and who is told what it took."""

    answer: Answer
    count: Count
    response: httpx2.Response | None = None


class Endpoint:
    """The endpoint of `model`; may be used from several threads.

    Raises:
        RefusedError: the address is none, or the key can't be one; the message names the setting.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._client = make_client(model)
        self._wording = Wording(model)
        self._shown = self._wording.shown
        self._way = _Way.STREAM_WITH_USAGE
        self._lock = threading.Lock()
        self._under_way: set[_UnderWay] = set()
        self._closed = False

    def check(self) -> None:
        """Ask for a word.

        Raises:
            RefusedError: the key, the model or the address is wrong; the message names the setting.
            EndpointError: nobody answers.
        """
        question = _Request([Message(Role.USER, "Answer with one word: ready")], ())
        try:
            self._once(question, not_counted)
        except _NoUseError as fault:
            raise EndpointError(f"{self._shown}: {fault}; is OPENAI_BASE_URL right?") from None
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            # in such a question nothing else can be wrong
            raise self._wording.refused(error) from None
        except openai.APIStatusError as error:
            raise self._wording.fault(error) from None

    def ask(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool] = (),
        count: Count = not_counted,
        allow_another: Allow = not_limited,
    ) -> Reply:
        """The model's answer; where one breaks off or is of no use, another, a few times.

        `count` is told what each answer took, also those that are of no use; `allow_another` is
        called before another one is asked for, and what it raises comes out here.

        Raises:
            EndpointError: it is down or silent, or the request can't be answered.
            RefusedError: the key or the model is wrong.
            NoToolsError: tools were sent, and the endpoint or its model knows none.
        """
        request, fault = _Request(messages, tools), ""
        for attempt in range(ANSWERS):
            if attempt:
                allow_another()
            try:
                return self._once(request, count)
            except _NoUseError as error:
                fault = str(error)
            except openai.APIStatusError as error:
                if error.code != "tool_use_failed":
                    raise self._wording.fault(error, with_tools=bool(request.tools)) from None
                fault = self._wording.said(error)  # a call of the model's that can't be read
        raise EndpointError(f"{self._shown} failed {ANSWERS} times; the last: {fault}")

    def close(self) -> None:
        """Let no request begin, hang up on those under way, and count what they took so far."""
        with self._lock:
            self._closed = True
            under_way = list(self._under_way)
        for one in under_way:
            self._settle(one)
            if one.response is not None:
                hang_up(one.response)
        self._client.close()

    def _once(self, request: _Request, count: Count) -> Reply:
        """One answer.

        Raises:
            _NoUseError: it broke off, or is of no use.
            openai.APIStatusError: it is refused.
            EndpointError: nothing came, for too long.
        """
        one, way = self._begin(request, count), self._way
        try:
            self._receive(request, one, way)
        except openai.APIStatusError as error:
            self._drop(one)
            if not self._is_refused_way(way, error):
                raise
            self._way = _Way(min(self._way, way - 1))
            return self._once(request, count)
        except (openai.APIError, httpx2.HTTPError, InputError, ValueError) as error:
            raise self._broken(one, error) from None
        usage = self._settle(one)
        reply = one.answer.reply(usage)
        if not (reply.text.strip() or reply.calls or reply.refusal or reply.truncated):
            raise _NoUseError("an empty reply")
        return reply

    def _receive(self, request: _Request, one: _UnderWay, way: _Way) -> None:
        """Send the request, and add to the answer what comes, as it comes.

        Raises:
            InputError: it is no chat completion, or not a whole one.
            openai.OpenAIError, httpx2.HTTPError, ValueError: it failed, or broke off.
        """
        create, model = self._client.chat.completions.create, self._model.research.model
        messages = [message_param(message) for message in request.messages]
        tools = [tool_param(tool) for tool in request.tools] or openai.omit
        if way is _Way.WHOLE:
            whole = create(model=model, messages=messages, tools=tools)
            one.answer.add_whole(whole)
            said = str(whole)
        else:
            usage = way is _Way.STREAM_WITH_USAGE
            with create(
                model=model,
                messages=messages,
                tools=tools,
                stream=True,
                stream_options={"include_usage": True} if usage else openai.omit,
            ) as stream:
                said = _follow(stream, one)
        if one.answer.empty:
            raise InputError(f"no chat completion in its answer: {said}")
        if not one.answer.whole:
            raise InputError("its answer broke off")

    def _begin(self, request: _Request, count: Count) -> _UnderWay:
        one = _UnderWay(Answer(request.tokens), count)
        with self._lock:
            if self._closed:
                raise EndpointError("stopped before it was asked")
            self._under_way.add(one)
        return one

    def _drop(self, one: _UnderWay) -> bool:
        """Take it off those under way; whether it was among them."""
        with self._lock:
            there = one in self._under_way
            self._under_way.discard(one)
        return there

    def _settle(self, one: _UnderWay) -> Usage:
        """What it took, counted once."""
        usage = one.answer.usage(self._model.research.prices)
        if self._drop(one):
            one.count(usage)
        return usage

    def _broken(self, one: _UnderWay, error: Exception) -> Exception:
        """What it means that no whole answer came, as the error to raise."""
        cause = error.__cause__ or error
        if isinstance(cause, NOT_SENT):
            self._drop(one)
            why = self._wording.words(cause)
            return EndpointError(f"{self._shown}: no connection: {why}; is OPENAI_BASE_URL right?")
        if isinstance(error, InputError) and one.answer.empty:
            self._drop(one)  # a proxy's page, say, which nobody pays for
        self._settle(one)
        if self._closed:
            return EndpointError("stopped while it was waited for")
        if isinstance(cause, httpx2.ReadTimeout):
            return EndpointError(
                f"{self._shown}: nothing came for {self._model.timeout:g} s; the request is not "
                "sent again, since it may still be at work on it"
            )
        if one.answer.seconds >= LONGEST:
            return EndpointError(f"{self._shown}: no end of its answer within {LONGEST:g} s")
        if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
            return _NoUseError(f"the connection broke: {self._wording.words(cause)}")
        if isinstance(error, openai.APIError):
            return _NoUseError(self._wording.said(error))
        return _NoUseError(self._wording.words(error))

    def _is_refused_way(self, way: _Way, error: openai.APIStatusError) -> bool:
        """Whether it is the streaming that an endpoint refuses, or usage at a stream's end."""
        refused = error.status_code in (400, 422, 501)
        return refused and way > _Way.WHOLE and bool(_STREAMING.search(error.message))


def _follow(stream: openai.Stream[ChatCompletionChunk], one: _UnderWay) -> str:
    """Add to the answer what a stream brings; what it was, in words.

    An endpoint that doesn't stream answers with the whole, though a stream was asked for.
    """
    one.response = response = stream.response
    kind = response.headers.get("content-type", "")
    end = threading.Timer(LONGEST, hang_up, [response])
    end.daemon = True
    end.start()
    try:
        if kind.startswith("application/json"):
            body = response.read()
            one.answer.add_whole(ChatCompletion.construct(None, **codec.decode(dict, body)))
            return response.text
        for chunk in stream:
            one.answer.add(chunk)
    finally:
        end.cancel()
    return kind
