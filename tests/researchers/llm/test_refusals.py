"""Errors that no waiting mends are told at once, name the setting, and hold no secret."""

import traceback
from collections.abc import Iterator

import pytest

from autoresearch_kit.errors import EndpointError, NoToolsError, RefusedError
from autoresearch_kit.records import Research
from autoresearch_kit.researchers.base import Model
from autoresearch_kit.researchers.llm.endpoint import Endpoint
from tests.researchers.llm import server
from tests.researchers.llm.asking import ASKED, FINE, KEY, TOOL, answering, endpoint
from tests.researchers.llm.server import Answer, ChatServer


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer(lambda _: FINE) as running:
        yield running


@pytest.mark.parametrize(
    "url", ["localhost:11434", "nonsense", "ftp://host/v1", "http://host:port/v1", "http://[::1/v1"]
)
def test_an_address_that_is_none_is_named_at_once(url: str) -> None:
    with pytest.raises(RefusedError, match=r"OPENAI_BASE_URL.*http://localhost:11434/v1"):
        Endpoint(Model(Research("gpt", base_url=url), KEY, 0))


@pytest.mark.parametrize(
    "key", ["planted 0123 4567", "planted\n01234567", "\u201cplanted01234\u201d"]
)
def test_a_key_no_header_can_hold_is_named_at_once(chat: ChatServer, key: str) -> None:
    with pytest.raises(RefusedError, match="OPENAI_API_KEY") as told:
        endpoint(chat, key)
    assert "01234" not in "".join(traceback.format_exception(told.value))


def test_a_password_in_the_address_is_not_told(chat: ChatServer) -> None:
    url = chat.url.replace("://", "://me:hunter2@")
    chat.script = server.in_turn(server.status(400, "no"))
    with pytest.raises(EndpointError) as told:
        Endpoint(Model(Research("gpt", base_url=url), KEY, 0)).ask(ASKED)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    "answer",
    [
        server.status(400, f"bad request by {KEY}"),
        server.status(401, f"Incorrect API key provided: {KEY}"),
        server.status(404, f"no model for {KEY}"),
        server.status(429, f"{KEY} is too fast", retry_after="3600"),
        server.status(429, f"{KEY} has spent it", "insufficient_quota"),
        server.status(500, f"{KEY} broke it"),
        server.raw(f"<html>{KEY}</html>".encode()),
        server.cut(),
    ],
)
def test_no_traceback_holds_the_key(chat: ChatServer, answer: Answer) -> None:
    with pytest.raises(EndpointError) as told:
        answering(chat, answer).ask(ASKED)
    shown = "".join(traceback.format_exception(told.value))
    assert KEY not in shown
    assert "openai." not in shown  # whose exceptions carry the request, with its headers


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_wrong_key_is_named_at_once(chat: ChatServer, status: int) -> None:
    with pytest.raises(RefusedError, match="OPENAI_API_KEY"):
        answering(chat, server.status(status, "Incorrect API key provided")).check()
    assert len(chat.requests) == 1


MODEL_ERRORS = {
    "openai": server.status(404, "The model `gpt` does not exist or you do not have access to it."),
    "openrouter": server.status(400, "gpt is not a valid model ID"),
    "old vllm": Answer(404, body=b'{"object": "error", "message": "`gpt` does not exist."}'),
    "lm studio": server.status(400, "No models loaded. Please load a model in the developer page."),
}


@pytest.mark.parametrize("answer", MODEL_ERRORS.values(), ids=MODEL_ERRORS)
def test_a_wrong_model_is_named_at_once(chat: ChatServer, answer: Answer) -> None:
    with pytest.raises(RefusedError, match=r"model 'gpt' .*--model"):
        answering(chat, answer).check()


NO_TOOLS = {
    "ollama": server.status(400, "registry.ollama.ai/library/gpt:latest does not support tools"),
    "vllm": server.status(
        400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'
    ),
    "llama.cpp": server.status(500, "tools param requires --jinja flag"),
    "openrouter": server.status(404, "No endpoints found that support tool use."),
    "old gateway": server.status(400, "Unrecognized request argument supplied: tools"),
    "lacks": server.status(400, "model llama3.2 lacks the tools capability"),
    "cannot": server.status(400, "tool calling cannot be used with this model"),
    "501": server.status(501, "tools are not currently supported"),
}


@pytest.mark.parametrize("answer", NO_TOOLS.values(), ids=NO_TOOLS)
def test_a_model_without_tools_is_known_by_the_answer(chat: ChatServer, answer: Answer) -> None:
    with pytest.raises(NoToolsError):
        answering(chat, answer).ask(ASKED, [TOOL])


def test_an_unreadable_tool_call_is_no_lack_of_tools(chat: ChatServer) -> None:
    garbled = server.status(500, "error parsing tool call: unexpected end of JSON input")
    with pytest.raises(EndpointError, match="error parsing tool call") as told:
        answering(chat, garbled).ask(ASKED, [TOOL])
    assert not isinstance(told.value, NoToolsError)


QUOTA = server.status(429, "Exceeded", "insufficient_quota", x_should_retry="false")


@pytest.mark.parametrize(
    ("answer", "setting"),
    [
        (QUOTA, "quota is used up"),
        (server.status(400, "maximum context length is 8192 tokens"), "--prompt-tokens"),
        (server.status(400, "the context length supported is 8192 tokens"), "--prompt-tokens"),
    ],
)
def test_what_asking_again_can_not_mend_is_told_at_once(
    chat: ChatServer, answer: Answer, setting: str
) -> None:
    with pytest.raises(EndpointError, match=setting):
        answering(chat, answer).ask(ASKED, [TOOL])
    assert len(chat.requests) == 1
