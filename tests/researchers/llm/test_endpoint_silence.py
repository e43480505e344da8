"""A server that is slow or silent, and an endpoint that is closed meanwhile."""

import threading
from collections.abc import Iterator

import pytest

from autoresearch_kit.errors import EndpointError
from autoresearch_kit.records import Usage
from autoresearch_kit.researchers.llm import endpoint as module
from tests.researchers.llm import server
from tests.researchers.llm.asking import (
    ASKED,
    HALF,
    answering,
    endpoint,
    streaming,
)
from tests.researchers.llm.server import DONE, Answer, ChatServer, delta

__all__ = ["streaming"]


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """An event that a silent server waits for, set when the test ends."""
    event = threading.Event()
    yield event
    event.set()


def half(released: threading.Event, begun: threading.Event | None = None) -> Iterator[bytes]:
    """A stream that begins, and then says nothing."""
    yield HALF
    if begun:
        begun.set()
    released.wait(60)


@pytest.mark.parametrize(("begins", "tokens"), [(True, 4), (False, 0)])
def test_a_server_that_falls_silent_is_asked_once_and_counted(
    streaming: ChatServer, released: threading.Event, begins: bool, tokens: int
) -> None:
    answer = server.slowly(half(released)) if begins else Answer(wait=released)
    spent: list[Usage] = []
    streaming.script = lambda _: answer
    with pytest.raises(EndpointError, match=r"nothing came for 0\.2 s"):
        endpoint(streaming, timeout=0.2).ask(ASKED, (), spent.append)
    assert len(streaming.requests) == 1
    assert [usage.tokens_out for usage in spent] == [tokens]


def test_a_slow_stream_lives_longer_than_the_timeout(streaming: ChatServer) -> None:
    signs = [b": still at it\n\n", delta(content=""), delta(reasoning_content="hm" * 15)] * 4
    pause = threading.Event()

    def pieces() -> Iterator[bytes]:
        for sign in signs:
            yield sign
            pause.wait(0.1)
        yield delta("stop", content="fine") + DONE

    streaming.script = lambda _: server.slowly(pieces())
    reply = endpoint(streaming, timeout=1.0).ask(ASKED)
    assert reply.text == "fine"
    assert reply.usage.tokens_out == 42  # its thoughts are paid for, too


def test_a_stream_without_an_end_is_given_up(
    streaming: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pinging() -> Iterator[bytes]:
        yield HALF
        while not streaming.left.wait(0.01):
            yield b": still at it\n\n"

    monkeypatch.setattr(module, "LONGEST", 0.2)
    streaming.script = lambda _: server.slowly(pinging())
    with pytest.raises(EndpointError, match="no end of its answer"):
        endpoint(streaming).ask(ASKED)
    assert len(streaming.requests) == 1


def test_closing_hangs_up_on_a_silent_stream_and_counts_it(
    streaming: ChatServer, released: threading.Event
) -> None:
    begun, spent = threading.Event(), list[Usage]()
    streaming.script = lambda _: server.slowly(half(released, begun))
    asked = endpoint(streaming, timeout=600.0)

    def close() -> None:
        assert begun.wait(60)
        asked.close()

    threading.Thread(target=close).start()
    with pytest.raises(EndpointError, match="stopped"):
        asked.ask(ASKED, (), spent.append)
    assert len(spent) == 1


def test_closing_counts_a_request_that_nothing_came_of_yet(
    streaming: ChatServer, released: threading.Event
) -> None:
    streaming.script = lambda _: Answer(wait=released)
    asked, spent = endpoint(streaming, timeout=0.5), list[Usage]()
    threading.Timer(0.1, asked.close).start()
    with pytest.raises(EndpointError, match="stopped"):
        asked.ask(ASKED, (), spent.append)
    assert [usage.requests for usage in spent] == [1]


def test_closing_ends_a_wait_and_nothing_is_asked_after_it(streaming: ChatServer) -> None:
    asked = answering(streaming, server.status(429, "later", retry_after_ms="300"))
    threading.Timer(0.05, asked.close).start()
    with pytest.raises(EndpointError, match="stopped"):
        asked.ask(ASKED)
    sent = len(streaming.requests)
    with pytest.raises(EndpointError, match="stopped"):
        asked.ask(ASKED)
    assert len(streaming.requests) == sent
