"""Requests that tests make of an endpoint."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from autoresearch_kit.records import Research
from autoresearch_kit.researchers.base import Model
from autoresearch_kit.researchers.llm.endpoint import Endpoint
from tests.researchers.llm import server
from tests.researchers.llm.server import Answer, ChatServer, delta

KEY = "sk-planted-0123456789"
ASKED: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "hello"},
]
TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "read_cell",
        "description": "Read a cell.",
        "parameters": {"type": "object", "properties": {}},
    },
}
FINE = server.text("fine")

HALF = delta(content="half an ans")


@pytest.fixture
def streaming() -> Iterator[ChatServer]:
    with ChatServer(lambda _: FINE) as running:
        yield running


def endpoint(
    chat: ChatServer, key: str = KEY, retries: int = 2, timeout: float = 20.0, **changed: object
) -> Endpoint:
    research = replace(Research("gpt", base_url=chat.url), **changed)  # type: ignore[arg-type]
    return Endpoint(Model(research, key, retries, timeout))


def answering(chat: ChatServer, *answers: Answer) -> Endpoint:
    chat.script = server.in_turn(*answers)
    return endpoint(chat)
