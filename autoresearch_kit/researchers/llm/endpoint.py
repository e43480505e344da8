"""An OpenAI-compatible endpoint: asked with bounded patience, its faults in plain words.

No request is sent twice while the first may still be answered, and what each answer took is
counted, also where it breaks off.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import httpx2
import msgspec
import openai
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
    ChatCompletionStreamOptionsParam,
)

from autoresearch_kit.errors import EndpointError, InputError
from autoresearch_kit.records import Research, Usage, codec
from autoresearch_kit.researchers.base import Model
from autoresearch_kit.researchers.llm.answer import Answer, Reply, estimate_tokens
from autoresearch_kit.researchers.llm.faults import OPENAI_URL, Faults
from autoresearch_kit.researchers.llm.http_client import NOT_SENT, HttpClient, hang_up

CONNECT_SECONDS = 10.0

ANSWERS = 3  # answers to one request that may break off or be of no use
LONGEST = 3600.0  # seconds after which an answer is given up, although something still comes
_STREAMING = re.compile(r"\bstream(?:ing|ed|_options)?\b|\binclude_usage\b", re.IGNORECASE)

_BROKEN = (openai.APIError, httpx2.HTTPError, InputError, msgspec.ValidationError, ValueError)
"""Errors of the client, its streams, and of reading what came, where an answer is not whole."""


class _NoUseError(Exception):
    """An answer broke off, or is of no use; another one may be better."""


def host_of(research: Research) -> str:
    """Return the host, and the port, that is asked: what may be written down of an address."""
    address = urlsplit(research.base_url or OPENAI_URL)
    host = address.hostname or ""
    return host if address.port is None else f"{host}:{address.port}"


@dataclass(eq=False)
class _Request:
    """A request, who is told what its answer takes, and what has arrived of that."""

    messages: Sequence[ChatCompletionMessageParam]
    tools: Sequence[ChatCompletionFunctionToolParam] = ()
    count: Callable[[Usage], object] = lambda _: None
    response: httpx2.Response | None = None

    def __post_init__(self) -> None:
        self.answer = Answer(estimate_tokens(codec.compact((self.messages, self.tools)).decode()))


class Endpoint:
    """The endpoint of `model`; may be used from several threads.

    Raises:
        RefusedError: the address or the key has a form that can't be right.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._faults = Faults(model)
        self._shown = self._faults.shown
        self._client = openai.OpenAI(
            api_key=model.key or "none",  # servers of one's own want none, the client does
            base_url=model.research.base_url or OPENAI_URL,
            max_retries=model.retries,
            timeout=openai.Timeout(model.timeout, connect=min(model.timeout, CONNECT_SECONDS)),
            http_client=HttpClient(),
        )
        self._streams = True
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
            # in such a question nothing but the key, the model or the address can be wrong
            raise self._faults.refused(error) from None
        except openai.APIStatusError as error:
            raise self._faults.fault(error) from None

    def ask(
        self,
        messages: Sequence[ChatCompletionMessageParam],
        tools: Sequence[ChatCompletionFunctionToolParam] = (),
        count: Callable[[Usage], object] = lambda _: None,
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
        fault = ""
        for attempt in range(ANSWERS):
            if attempt:
                allow_another()
            try:
                return self._once(_Request(messages, tools, count))
            except _NoUseError as error:
                fault = str(error)
            except openai.APIStatusError as error:
                if error.code != "tool_use_failed":
                    raise self._faults.fault(error, with_tools=bool(tools)) from None
                fault = self._faults.said(error)  # a call of the model's that can't be read
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
        """Ask once; raise _NoUseError where the answer is of no use, another may be better."""
        with self._lock:
            if self._closed:
                raise EndpointError("stopped before it was asked")
            self._under_way.add(request)
        streams = self._streams
        try:
            self._receive(request, streams=streams)
        except openai.APIStatusError as error:
            self._settle(request, counts=False)
            refused = error.status_code in (400, 422, 501) and _STREAMING.search(error.message)
            if not (streams and refused):
                raise
            self._streams = False
            return self._once(replace(request))
        except _BROKEN as error:
            raise self._broken(request, error) from None
        reply = request.answer.reply(self._settle(request))
        if not (reply.text.strip() or reply.calls or reply.refusal or reply.truncated):
            raise _NoUseError("an empty reply")
        return reply

    def _receive(self, request: _Request, *, streams: bool) -> None:
        """Send the request, and add to the answer what comes, as it comes."""
        create, model = self._client.chat.completions.create, self._model.research.model
        messages, tools = request.messages, request.tools or openai.omit
        if streams:
            usage: ChatCompletionStreamOptionsParam = {"include_usage": True}
            with create(
                model=model, messages=messages, tools=tools, stream=True, stream_options=usage
            ) as stream:
                said = _follow(stream, request)
        else:
            whole = create(model=model, messages=messages, tools=tools)
            said = str(whole)
            request.answer.add(whole)
        if request.answer.empty:
            raise InputError(f"no chat completion in its answer: {said}")
        if not request.answer.whole:
            raise InputError("its answer broke off")

    def _settle(self, request: _Request, *, counts: bool = True) -> Usage:
        """Return what a request took, counted once though two threads may settle it."""
        usage = request.answer.usage(self._model.research.prices)
        with self._lock:
            counts &= request in self._under_way
            self._under_way.discard(request)
        if counts:
            request.count(usage)
        return usage

    def _broken(self, request: _Request, error: Exception) -> Exception:
        """Return the error to raise where no whole answer came."""
        cause = error.__cause__ or error
        if isinstance(cause, NOT_SENT):
            self._settle(request, counts=False)
            why = self._faults.words(cause)
            return EndpointError(f"{self._shown}: no connection: {why}; is OPENAI_BASE_URL right?")
        # nobody pays for what is no answer, a proxy's page, say
        self._settle(request, counts=not (isinstance(error, InputError) and request.answer.empty))
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
            return _NoUseError(f"the connection broke: {self._faults.words(cause)}")
        if isinstance(error, openai.APIError):
            return _NoUseError(self._faults.said(error))
        return _NoUseError(self._faults.words(error))


def _follow(stream: openai.Stream[ChatCompletionChunk], request: _Request) -> str:
    """Add to the answer what a stream brings; return what came, in words."""
    request.response = response = stream.response
    kind = response.headers.get("content-type", "")
    end = threading.Timer(LONGEST, hang_up, [response])
    end.daemon = True
    end.start()
    try:
        if kind.startswith("application/json"):  # the whole, though a stream was asked for
            body = codec.decode(dict, response.read())
            request.answer.add(ChatCompletion.construct(None, **body))
            return response.text
        for chunk in stream:
            request.answer.add(chunk)
    finally:
        end.cancel()
    return kind
