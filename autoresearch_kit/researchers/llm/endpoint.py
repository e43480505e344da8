"""An OpenAI-compatible endpoint: asked with bounded patience, its faults in plain words."""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import openai

from autoresearch_kit.errors import EndpointError, InputError, NoToolsError, RefusedError
from autoresearch_kit.records import Research, Usage
from autoresearch_kit.researchers.llm import wordings
from autoresearch_kit.researchers.llm.messages import Message, Reply, Role, Tool
from autoresearch_kit.researchers.llm.secrets import Scrubber
from autoresearch_kit.researchers.llm.wire import read_error, read_reply, write_message, write_tool
from autoresearch_kit.retry import AGAIN, PATIENCE, Patience, backoff, retry_after
from autoresearch_kit.text import one_line

OPENAI_URL = "https://api.openai.com/v1"

SAID = 300
"""Characters of an answer that an error quotes."""

_NEVER_IN_A_KEY = re.compile(r"[^!-~]")
"""A header can't hold it, and no key does."""


Count = Callable[[Usage], object]


def not_counted(usage: Usage) -> None:
    """For a request that belongs to no experiment."""


class _AgainError(Exception):
    """A fault that may be over when the same request is made again."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Endpoint:
    """The endpoint of `research`, asked with `key`; may be used from several threads.

    Raises:
        RefusedError: the address is none, or the key can't be one; the message names the setting.
    """

    def __init__(self, research: Research, key: str, patience: Patience = PATIENCE) -> None:
        self._research = research
        self._patience = patience
        self._scrubber = Scrubber(key)
        url = research.base_url or OPENAI_URL
        self._shown = self._scrubber.scrub(url)
        _check_address(url, self._shown)
        _check_key(key)
        self._stopped = threading.Event()
        self._client = openai.OpenAI(
            api_key=key or "none",  # servers of one's own want none, the client does
            base_url=url,
            max_retries=0,
            timeout=patience.timeout,
        )

    def check(self) -> None:
        """Ask for a word, once.

        Raises:
            RefusedError: the key, the model or the address is wrong; the message names the setting.
            EndpointError: nobody answers.
        """
        question = [Message(Role.USER, "Answer with one word: ready")]
        try:
            self._once(self._payload(question, ()), not_counted)
        except _AgainError as fault:
            raise EndpointError(f"{self._shown}: {fault}; is OPENAI_BASE_URL right?") from None

    def ask(
        self, messages: Sequence[Message], tools: Sequence[Tool] = (), count: Count = not_counted
    ) -> Reply:
        """The model's answer. The same request is made again, a few times, where that may help.

        `count` is told what each request took, also those whose answer is of no use.

        Raises:
            EndpointError: it failed every time, or the request can't be answered.
            RefusedError: the key or the model is wrong.
            NoToolsError: tools were sent, and the endpoint or its model knows none.
        """
        payload = self._payload(messages, tools)
        fault = ""
        for attempt in range(self._patience.tries):
            try:
                return self._once(payload, count)
            except _AgainError as error:
                fault = str(error)
                if attempt + 1 < self._patience.tries:
                    self._wait(attempt, error)
        raise EndpointError(f"{self._shown} failed {self._patience.tries} times; the last: {fault}")

    def close(self) -> None:
        """End waits that are under way, and let no request begin; one in flight ends by itself."""
        self._stopped.set()
        self._client.close()

    def _payload(self, messages: Sequence[Message], tools: Sequence[Tool]) -> dict[str, object]:
        payload: dict[str, object] = {
            "model": self._research.model,
            "messages": [write_message(message) for message in messages],
        }
        if tools:
            payload["tools"] = [write_tool(tool) for tool in tools]
        return payload

    def _once(self, payload: Mapping[str, object], count: Count) -> Reply:
        started = time.monotonic()
        try:
            body = self._client.post("/chat/completions", cast_to=str, body=payload)
        except openai.APITimeoutError:
            raise _AgainError(f"no answer within {self._patience.timeout:g} s") from None
        except openai.APIConnectionError as error:
            raise _AgainError(f"no connection: {self._words(error.__cause__ or error)}") from None
        except openai.APIStatusError as error:
            answer = error.response
            raise self._fault(
                answer.status_code, answer.text, answer.headers, with_tools="tools" in payload
            ) from None
        seconds = time.monotonic() - started
        try:
            reply = read_reply(body, seconds, self._research.prices)
        except InputError:
            raise _AgainError(f"no chat completion in its answer: {self._words(body)}") from None
        count(reply.usage)
        if not (reply.text.strip() or reply.calls or reply.refusal or reply.truncated):
            raise _AgainError("an empty reply")
        return reply

    def _wait(self, attempt: int, fault: _AgainError) -> None:
        seconds = backoff(attempt, self._patience) if fault.wait is None else fault.wait
        if seconds > self._patience.most:
            raise EndpointError(f"{self._shown} asks to wait {seconds:.0f} s: {fault}")
        if self._stopped.wait(seconds):
            raise EndpointError("stopped while it was waited for")

    def _fault(
        self, status: int, body: str, headers: Mapping[str, str], *, with_tools: bool
    ) -> Exception:
        """What an HTTP status and its body mean, as the error to raise."""
        said, model = self._words(read_error(body)), self._research.model
        if with_tools and wordings.no_tools(status, said):
            return NoToolsError(f"model '{model}' at {self._shown} takes no tools: {said}")
        if wordings.no_model(status, said):
            return RefusedError(
                f"no model '{model}' at {self._shown} (--model, OPENAI_BASE_URL): {said}"
            )
        if wordings.no_key(status, said):
            return RefusedError(f"{self._shown} refuses the key in OPENAI_API_KEY: {said}")
        if wordings.no_quota(status, body):
            return EndpointError(f"{self._shown}: the account's quota is used up: {said}")
        if status in AGAIN or wordings.bad_luck(status, body):
            return _AgainError(f"{status}: {said}", retry_after(headers, datetime.now(UTC)))
        hint = "; a smaller --prompt-tokens may help" if wordings.too_long(said) else ""
        return EndpointError(f"{self._shown} answers {status}: {said}{hint}")

    def _words(self, what: object) -> str:
        return one_line(self._scrubber.scrub(str(what)), SAID)


def _check_address(url: str, shown: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise RefusedError(
            f"OPENAI_BASE_URL is '{shown}'; it must be an address such as {OPENAI_URL} "
            "or http://localhost:11434/v1"
        )


def _check_key(key: str) -> None:
    if _NEVER_IN_A_KEY.search(key):
        raise RefusedError(
            "OPENAI_API_KEY holds a character that no key has (a space, the end of a line, "
            "a typographic quote); copy it again"
        )
