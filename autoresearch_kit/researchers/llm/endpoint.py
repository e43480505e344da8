"""An OpenAI-compatible endpoint: asked with bounded patience, its faults in plain words."""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import httpx2
import msgspec
import openai
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
)

from autoresearch_kit.errors import EndpointError, InputError
from autoresearch_kit.records import Usage, codec
from autoresearch_kit.researchers.llm.answer import Answer, Reply, estimate_tokens
from autoresearch_kit.researchers.llm.client import NOT_SENT, hang_up, make_client
from autoresearch_kit.researchers.llm.wording import Wording
from autoresearch_kit.researchers.model import Model

ANSWERS = 3
"""Answers to one request that may break off or be of no use."""

LONGEST = 3600.0
"""Seconds after which an answer is given up, although something still comes."""

_STREAMING = re.compile(r"\bstream(?:ing|ed|_options)?\b|\binclude_usage\b", re.IGNORECASE)

_BROKEN = (openai.APIError, httpx2.HTTPError, InputError, msgspec.ValidationError, ValueError)
"""Errors of the client, its streams, and of reading what came, where an answer is not whole."""

Count = Callable[[Usage], object]


class _Way(IntEnum):
    """The form in which answers are asked for; the next lower one where an endpoint refuses it."""

    WHOLE = 0
    STREAM = 1
    STREAM_WITH_USAGE = 2


class _NoUseError(Exception):
    """An answer broke off, or is of no use; another one may be better."""


@dataclass(eq=False)
class _Request:
    """A request, who is told what its answer takes, and what has arrived of that."""

    messages: Sequence[ChatCompletionMessageParam]
    tools: Sequence[ChatCompletionFunctionToolParam] = ()
    count: Count = lambda _: None
    answer: Answer = field(init=False)
    response: httpx2.Response | None = None

    def begin(self) -> None:
        """Start with an empty answer."""
        self.answer = Answer(estimate_tokens(codec.compact((self.messages, self.tools)).decode()))
        self.response = None


class Endpoint:
    """The endpoint of `model`; may be used from several threads.

    Raises:
        RefusedError: the address or the key has a form that can't be right; the message names the
            setting.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._client = make_client(model)
        self._wording = Wording(model)
        self._shown = self._wording.shown
        self._way = _Way.STREAM_WITH_USAGE
        self._lock = threading.Lock()
        self._under_way: set[_Request] = set()
        self._closed = False

    def check(self) -> None:
        """Ask for a word.

        Raises:
            RefusedError: the key, the model or the address is wrong; the message names the setting.
            EndpointError: nobody answers.
        """
        try:
            self._once(_Request([{"role": "user", "content": "Answer with one word: ready"}]))
        except _NoUseError as fault:
            raise EndpointError(f"{self._shown}: {fault}; is OPENAI_BASE_URL right?") from None
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            # in such a question nothing else can be wrong
            raise self._wording.refused(error) from None
        except openai.APIStatusError as error:
            raise self._wording.fault(error) from None

    def ask(
        self,
        messages: Sequence[ChatCompletionMessageParam],
        tools: Sequence[ChatCompletionFunctionToolParam] = (),
        count: Count = lambda _: None,
        allow_another: Callable[[], object] = lambda: None,
    ) -> Reply:
        """Return the model's answer; where one breaks off or is of no use, ask for another.

        `count` is told what each answer took, also those that are of no use; `allow_another` is
        called before another one is asked for, and what it raises comes out here.

        Raises:
            EndpointError: it is down or silent, or the request can't be answered.
            RefusedError: the key or the model is wrong.
            NoToolsError: tools were sent, and the endpoint or its model knows none.
        """
        request, fault = _Request(messages, tools, count), ""
        for attempt in range(ANSWERS):
            if attempt:
                allow_another()
            try:
                return self._once(request)
            except _NoUseError as error:
                fault = str(error)
            except openai.APIStatusError as error:
                if error.code != "tool_use_failed":
                    raise self._wording.fault(error, with_tools=bool(tools)) from None
                fault = self._wording.said(error)  # a call of the model's that can't be read
        raise EndpointError(f"{self._shown} failed {ANSWERS} times; the last: {fault}")

    def close(self) -> None:
        """Let no request begin, hang up on those under way, and count what they took so far."""
        with self._lock:
            self._closed = True
            under_way = list(self._under_way)
        for request in under_way:
            self._settle(request)
            if request.response is not None:
                hang_up(request.response)
        self._client.close()

    def _once(self, request: _Request) -> Reply:
        """Ask once.

        Raises:
            _NoUseError: the answer broke off, or is of no use.
            openai.APIStatusError: the request is refused.
            EndpointError: nothing came, for too long.
        """
        self._begin(request)
        way = self._way
        try:
            self._receive(request, way)
        except openai.APIStatusError as error:
            self._drop(request)
            if not _refuses_way(error, way):
                raise
            self._way = _Way(min(self._way, way - 1))
            return self._once(request)
        except _BROKEN as error:
            raise self._broken(request, error) from None
        reply = request.answer.reply(self._settle(request))
        if not (reply.text.strip() or reply.calls or reply.refusal or reply.truncated):
            raise _NoUseError("an empty reply")
        return reply

    def _receive(self, request: _Request, way: _Way) -> None:
        """Send the request, and add to the answer what comes, as it comes.

        Raises:
            InputError: what came is no chat completion, or not a whole one.
            openai.APIStatusError: the request is refused.
            Exception: one of `_BROKEN`, where it failed or broke off.
        """
        create, model = self._client.chat.completions.create, self._model.research.model
        messages, tools = request.messages, request.tools or openai.omit
        if way is _Way.WHOLE:
            whole = create(model=model, messages=messages, tools=tools)
            said = str(whole)
            request.answer.add(whole)
        else:
            usage = way is _Way.STREAM_WITH_USAGE
            with create(
                model=model,
                messages=messages,
                tools=tools,
                stream=True,
                stream_options={"include_usage": True} if usage else openai.omit,
            ) as stream:
                said = _follow(stream, request)
        if request.answer.empty:
            raise InputError(f"no chat completion in its answer: {said}")
        if not request.answer.whole:
            raise InputError("its answer broke off")

    def _begin(self, request: _Request) -> None:
        request.begin()
        with self._lock:
            if self._closed:
                raise EndpointError("stopped before it was asked")
            self._under_way.add(request)

    def _drop(self, request: _Request) -> bool:
        """Take a request off those under way; return whether it was among them."""
        with self._lock:
            there = request in self._under_way
            self._under_way.discard(request)
        return there

    def _settle(self, request: _Request) -> Usage:
        """Return what a request took, counted once."""
        usage = request.answer.usage(self._model.research.prices)
        if self._drop(request):
            request.count(usage)
        return usage

    def _broken(self, request: _Request, error: Exception) -> Exception:
        """Return the error to raise where no whole answer came."""
        cause = error.__cause__ or error
        if isinstance(cause, NOT_SENT):
            self._drop(request)
            why = self._wording.words(cause)
            return EndpointError(f"{self._shown}: no connection: {why}; is OPENAI_BASE_URL right?")
        if isinstance(error, InputError) and request.answer.empty:
            self._drop(request)  # a proxy's page, say, which nobody pays for
        self._settle(request)
        if self._closed:
            return EndpointError("stopped while it was waited for")
        if isinstance(cause, httpx2.ReadTimeout):
            return EndpointError(
                f"{self._shown}: nothing came for {self._model.timeout:g} s; the request is not "
                "sent again, since it may still be at work on it"
            )
        if request.answer.seconds >= LONGEST:
            return EndpointError(f"{self._shown}: no end of its answer within {LONGEST:g} s")
        if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
            return _NoUseError(f"the connection broke: {self._wording.words(cause)}")
        if isinstance(error, openai.APIError):
            return _NoUseError(self._wording.said(error))
        return _NoUseError(self._wording.words(error))


def _refuses_way(error: openai.APIStatusError, way: _Way) -> bool:
    """Return whether it is the streaming that is refused, or usage at a stream's end."""
    refused = error.status_code in (400, 422, 501)
    return refused and way > _Way.WHOLE and bool(_STREAMING.search(error.message))


def _follow(stream: openai.Stream[ChatCompletionChunk], request: _Request) -> str:
    """Add to the answer what a stream brings; return what came, in words.

    An endpoint that doesn't stream answers with the whole, though a stream was asked for.
    """
    request.response = response = stream.response
    kind = response.headers.get("content-type", "")
    end = threading.Timer(LONGEST, hang_up, [response])
    end.daemon = True
    end.start()
    try:
        if kind.startswith("application/json"):
            body = codec.decode(dict, response.read())
            request.answer.add(ChatCompletion.construct(None, **body))
            return response.text
        for chunk in stream:
            request.answer.add(chunk)
    finally:
        end.cancel()
    return kind
