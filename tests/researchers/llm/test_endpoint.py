"""The real client against a real server on loopback, which streams, or does not."""

import threading
from collections.abc import Iterator

import pytest

from autoresearch_kit.errors import EndpointError
from autoresearch_kit.records import Prices, Research, Usage
from autoresearch_kit.researchers.base import Model
from autoresearch_kit.researchers.llm import endpoint as module
from autoresearch_kit.researchers.llm.answer import Reply, ToolCall
from autoresearch_kit.researchers.llm.endpoint import Endpoint
from tests.researchers.llm import server
from tests.researchers.llm.asking import ASKED, FINE, KEY, TOOL, answering, endpoint
from tests.researchers.llm.server import DONE, Answer, Body, ChatServer, delta, usage_event


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def chat(request: pytest.FixtureRequest) -> Iterator[ChatServer]:
    with ChatServer(lambda _: FINE, streams=request.param) as running:
        yield running


@pytest.fixture
def streaming() -> Iterator[ChatServer]:
    with ChatServer(lambda _: FINE) as running:
        yield running


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Yield an event that a silent server waits for, set when the test ends."""
    event = threading.Event()
    yield event
    event.set()


PRICES = Prices(input=10.0, output=100.0, cached=1.0)


@pytest.mark.parametrize(
    ("prices", "usd"), [(None, None), (PRICES, (800 * 10 + 200 + 100 * 100) / 1e6)]
)
def test_an_answer_comes_back_with_what_it_took(
    chat: ChatServer, prices: Prices | None, usd: float | None
) -> None:
    reply = endpoint(chat, prices=prices).ask(ASKED)
    usage = reply.usage
    assert reply == Reply("fine", usage=Usage(1, 1000, 100, 200, usage.seconds, usage.usd))
    assert usage.usd == pytest.approx(usd)
    assert usage.seconds > 0


@pytest.mark.parametrize("told", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}])
def test_where_no_figures_are_told_they_are_estimated(chat: ChatServer, told: Body | None) -> None:
    usage = answering(chat, server.text("fine " * 30, usage=told)).ask(ASKED).usage
    assert (usage.requests, usage.tokens_out) == (1, 50)
    assert usage.tokens_in > len("be brief hello") / 3


def test_usage_is_the_last_that_was_told(streaming: ChatServer) -> None:
    early = usage_event({"prompt_tokens": 1000, "completion_tokens": 1})
    answer = server.stream(early, delta("stop", content="fine"), usage_event(), DONE)
    usage = answering(streaming, answer).ask(ASKED).usage
    assert (usage.tokens_in, usage.tokens_out, usage.tokens_cached) == (1000, 100, 200)


@pytest.mark.parametrize("key", [KEY, ""])
def test_what_is_sent(streaming: ChatServer, key: str) -> None:
    called = Reply("", (ToolCall("c1", "read_cell", '{"cell": "model"}'),)).message()
    answer = {"role": "tool", "content": "x = 1", "tool_call_id": "c1"}
    messages = [*ASKED, called, answer]
    endpoint(streaming, key=key).ask(messages, [TOOL])  # type: ignore[arg-type]
    [(headers, body)] = streaming.requests
    options = {"stream": True, "stream_options": {"include_usage": True}}
    assert body == {"model": "gpt", "messages": messages, "tools": [TOOL], **options}
    sent = {name.lower(): value for name, value in headers.items()}
    assert sent["authorization"] == f"Bearer {key or 'none'}"


PARTS = [{"type": "text", "text": "fi"}, {"type": "text", "text": "ne"}]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (server.calls(("a", '{"cell": ')), Reply("", (ToolCall("call-0", "a", '{"cell": '),))),
        (server.text("half a", finish="length"), Reply("half a", truncated=True)),
        (server.completion({"content": None, "refusal": "I can't"}), Reply("", refusal="I can't")),
        (server.completion({"content": PARTS}), Reply("fine")),
    ],
    ids=["calls", "cut off", "refusal", "content in parts"],
)
def test_a_reply_says_all_that_the_model_said(
    chat: ChatServer, answer: Answer, expected: Reply
) -> None:
    reply = answering(chat, answer).ask(ASKED)
    assert (reply.text, reply.calls) == (expected.text, expected.calls)
    assert (reply.truncated, reply.refusal) == (expected.truncated, expected.refusal)


def test_halves_of_characters_are_replaced(streaming: ChatServer) -> None:
    asked = answering(streaming, server.text("a\ud83d\ude00 b\ud800"))
    assert asked.ask(ASKED).text == "a\U0001f600 b\ufffd"


def test_a_call_with_an_object_for_its_arguments_is_read(streaming: ChatServer) -> None:
    streaming.streams = False
    function = {"name": "read_cell", "arguments": {"cell": "model"}}
    made = server.completion({"role": "assistant", "tool_calls": [{"function": function}]})
    expected = ToolCall("call-0", "read_cell", '{"cell":"model"}')
    assert answering(streaming, made).ask(ASKED).calls == (expected,)


def piece(index: int | None, id_: str | None, arguments: str = "", name: str = "") -> Body:
    made: dict[str, object] = {"function": {"name": name, "arguments": arguments}}
    return made | {key: v for key, v in (("index", index), ("id", id_)) if v is not None}


READ = ('{"cell": "model"}', "read_cell")
PIECES = {
    "in one chunk": ([[piece(0, "a", *READ), piece(1, "b", *READ)]], ["a", "b"]),
    "index 0 each": ([[piece(0, "a", *READ)], [piece(0, "b", *READ)]], ["a", "b"]),
    "no index": ([[piece(None, "a", *READ)], [piece(None, "b", *READ)]], ["a", "b"]),
    "neither": ([[piece(None, None, *READ)], [piece(None, None, *READ)]], ["call-0", "call-1"]),
    "interleaved": (
        [
            [piece(0, "a", name="read_cell"), piece(1, "b", name="read_cell")],
            [piece(0, None, '{"cell": '), piece(1, "", '{"cell": "model"}')],
            [piece(0, "a", name="read_cell"), piece(0, None, '"model"}')],
        ],
        ["a", "b"],
    ),
    "no index, pieces": (
        [[piece(None, "a", '{"cell": ', "read_cell")], [piece(None, None, '"model"}')]],
        ["a"],
    ),
}


@pytest.mark.parametrize(("chunks", "ids"), PIECES.values(), ids=PIECES)
def test_calls_are_put_together_from_each_servers_pieces(
    streaming: ChatServer, chunks: list[list[Body]], ids: list[str]
) -> None:
    pieces = [delta(tool_calls=calls) for calls in chunks]
    answer = server.stream(*pieces, delta("tool_calls"), DONE)
    expected = [ToolCall(made, "read_cell", '{"cell": "model"}') for made in ids]
    assert list(answering(streaming, answer).ask(ASKED).calls) == expected


@pytest.mark.parametrize(
    "said", ["Unrecognized request argument supplied: stream_options", "extra fields: stream"]
)
def test_a_server_that_refuses_to_stream_need_not(streaming: ChatServer, said: str) -> None:
    refused = said.split()[-1]
    streaming.script = lambda body: server.status(400, said) if refused in body else FINE
    asked = endpoint(streaming)
    assert asked.ask(ASKED, [TOOL]).text == "fine"
    assert asked.ask(ASKED, [TOOL]).text == "fine"
    assert ["stream" in body for body in streaming.bodies] == [True, False, False]


@pytest.mark.parametrize(
    "fault",
    [
        server.status(429, "slow down", retry_after="0"),
        server.status(503, "loading the model"),
        server.cut(),
        server.raw(b"<html>a proxy's page</html>"),
        server.raw(b'{"choices": [{"mess', "application/json"),
        server.raw(b'{"choices": null}', "application/json"),
        server.raw(b'{"choices": [{"message": {"content": 3}}]}', "application/json"),
        server.status(400, "Failed to call a function", "tool_use_failed"),
        server.text(" \n"),
    ],
)
def test_what_may_be_better_the_next_time_is_asked_again(chat: ChatServer, fault: Answer) -> None:
    assert answering(chat, fault, fault, FINE).ask(ASKED, [TOOL]).text == "fine"
    assert len(chat.requests) == 3


HALF = delta(content="half an ans")
BROKEN = {
    "cut": server.stream(HALF, cut=True),
    "ended": server.stream(HALF),
    "error": server.stream(HALF, server.event({"error": {"message": "lost it"}})),
    "rubbish": server.stream(HALF, b"data: {rubbish\n\n"),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_breaks_off_is_counted_and_repeated(
    streaming: ChatServer, broken: Answer
) -> None:
    spent: list[Usage] = []
    asked = answering(streaming, broken, FINE)
    assert asked.ask(ASKED, (), spent.append).text == "fine"
    assert [usage.tokens_out for usage in spent] == [4, 100]
    assert spent[0].tokens_in > 0


BUSY = server.raw(b'{"error": {"message": "upstream is busy"}}', "application/json")


@pytest.mark.parametrize(
    ("answer", "fault", "counted"),
    [
        (BROKEN["cut"], "connection broke", 3),
        (server.text(""), "an empty reply", 3),
        (BUSY, "upstream is busy", 0),
    ],
)
def test_answers_of_no_use_end_and_are_counted(
    streaming: ChatServer, answer: Answer, fault: str, counted: int
) -> None:
    spent: list[Usage] = []
    with pytest.raises(EndpointError, match=f"failed 3 times; the last: .*{fault}"):
        answering(streaming, answer).ask(ASKED, (), spent.append)
    assert (len(streaming.requests), len(spent)) == (3, counted)
    assert all(usage.tokens_in for usage in spent)


def test_a_server_that_asks_for_an_hour_is_down(streaming: ChatServer) -> None:
    with pytest.raises(EndpointError, match=r"answers 429 \(retry-after: 3600\): later"):
        answering(streaming, server.status(429, "later", retry_after="3600")).ask(ASKED)
    assert len(streaming.requests) == 1


def test_nobody_there_costs_nothing() -> None:
    with ChatServer(lambda _: FINE) as gone:
        url = gone.url
    asked = Endpoint(Model(Research("gpt", base_url=url), KEY, 1))
    spent: list[Usage] = []
    with pytest.raises(EndpointError, match="no connection"):
        asked.ask(ASKED, (), spent.append)
    with pytest.raises(EndpointError, match="is OPENAI_BASE_URL right"):
        asked.check()
    assert spent == []


def half(released: threading.Event, begun: threading.Event | None = None) -> Iterator[bytes]:
    """Yield a stream that begins, and then says nothing."""
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
