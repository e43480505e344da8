"""The real client against a real server on loopback, which streams, or does not."""

import threading
from collections.abc import Iterator

import pytest

from autoresearch_kit.errors import EndpointError
from autoresearch_kit.records import Prices, Research, Usage
from autoresearch_kit.researchers.llm import endpoint as module
from autoresearch_kit.researchers.llm.endpoint import Endpoint
from autoresearch_kit.researchers.llm.messages import Message, Role, ToolCall
from autoresearch_kit.researchers.model import Model
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


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own pause before it asks again, but shorter."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)


def test_an_answer_comes_back_with_what_it_took(chat: ChatServer) -> None:
    reply = endpoint(chat).ask(ASKED)
    assert reply.text == "fine"
    usage = reply.usage
    assert (usage.requests, usage.tokens_in, usage.tokens_out, usage.tokens_cached) == (
        1,
        1000,
        100,
        200,
    )
    assert usage.usd is None
    assert usage.seconds > 0


def test_a_price_makes_dollars(chat: ChatServer) -> None:
    prices = Prices(input=10.0, output=100.0, cached=1.0)
    assert endpoint(chat, prices=prices).ask(ASKED).usage.usd == pytest.approx(
        (800 * 10 + 200 * 1 + 100 * 100) / 1e6
    )


def test_where_no_figures_are_told_they_are_estimated(chat: ChatServer) -> None:
    usage = answering(chat, server.text("fine " * 30, usage=None)).ask(ASKED).usage
    assert usage.requests == 1
    assert usage.tokens_in > len("be brief hello") / 3
    assert usage.tokens_out == 50


@pytest.mark.parametrize("told", [{}, {"prompt_tokens": 0, "completion_tokens": 0}])
def test_figures_that_tell_nothing_are_estimated(chat: ChatServer, told: dict[str, object]) -> None:
    usage = answering(chat, server.text("x" * 300, usage=told)).ask(ASKED).usage
    assert usage.tokens_in > 0
    assert usage.tokens_out == 100


def test_halves_of_characters_are_replaced(streaming: ChatServer) -> None:
    asked = answering(streaming, server.text("a\ud83d\ude00 b\ud800"))
    assert asked.ask(ASKED).text == "a\U0001f600 b\ufffd"


def test_what_is_sent(chat: ChatServer) -> None:
    call = ToolCall("c1", "read_cell", '{"cell": "model"}')
    talk = [*ASKED, Message(Role.ASSISTANT, "", (call,)), Message(Role.TOOL, "x = 1", (), "c1")]
    endpoint(chat).ask(talk, [TOOL])
    assert chat.bodies[0] == {
        "model": "gpt",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hello"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "read_cell", "arguments": '{"cell": "model"}'},
                    }
                ],
            },
            {"role": "tool", "content": "x = 1", "tool_call_id": "c1"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "read_cell",
                    "description": "Read a cell.",
                    "parameters": {"type": "object", "properties": {}},
                },
            }
        ],
    }


def test_the_key_goes_into_the_header(chat: ChatServer) -> None:
    endpoint(chat).ask(ASKED)
    headers = {name.lower(): value for name, value in chat.requests[0][0].items()}
    assert headers["authorization"] == f"Bearer {KEY}"


def test_a_server_of_ones_own_needs_no_key(chat: ChatServer) -> None:
    assert endpoint(chat, key="").ask(ASKED).text == "fine"


def test_calls_come_back_as_the_model_wrote_them(chat: ChatServer) -> None:
    reply = answering(chat, server.calls(("edit_cell", '{"cell": '))).ask(ASKED)
    assert reply.calls == (ToolCall("call-0", "edit_cell", '{"cell": '),)


def test_content_may_come_in_pieces(chat: ChatServer) -> None:
    parts = [{"type": "text", "text": "fi"}, {"type": "text", "text": "ne"}]
    asked = answering(chat, server.completion({"role": "assistant", "content": parts}))
    assert asked.ask(ASKED).text == "fine"


def test_a_cut_reply_is_told(chat: ChatServer) -> None:
    assert answering(chat, server.text("half a", finish="length")).ask(ASKED).truncated


def test_a_refusal_is_told(chat: ChatServer) -> None:
    refused = server.completion({"role": "assistant", "content": None, "refusal": "I can't"})
    assert answering(chat, refused).ask(ASKED).refusal == "I can't"


def test_a_call_with_an_object_for_its_arguments_is_read(chat: ChatServer) -> None:
    chat.streams = False
    function = {"name": "read_cell", "arguments": {"cell": "model"}}
    made = server.completion({"role": "assistant", "tool_calls": [{"function": function}]})
    expected = ToolCall("call-0", "read_cell", '{"cell":"model"}')
    assert answering(chat, made).ask(ASKED).calls == (expected,)


READ = {"name": "read_cell", "arguments": '{"cell": "model"}'}
WHOLE = {"index": 0, "id": "a", "function": READ}


@pytest.mark.parametrize(
    ("chunks", "ids"),
    [
        ([[WHOLE, {**WHOLE, "index": 1, "id": "b"}]], ["a", "b"]),
        ([[WHOLE], [{**WHOLE, "id": "b"}]], ["a", "b"]),
        ([[{"id": "a", "function": READ}], [{"id": "b", "function": READ}]], ["a", "b"]),
        ([[{"function": READ}], [{"function": READ}]], ["call-0", "call-1"]),
        (
            [
                [{"index": 0, "id": "a", "function": {"name": "read_cell"}}],
                [{"index": 1, "id": "b", "function": {"name": "read_cell"}}],
                [{"index": 0, "function": {"arguments": '{"cell": '}}],
                [{"index": 1, "id": "", "function": {"arguments": '{"cell": "model"}'}}],
                [{"index": 0, "id": "a", "function": {"name": "read_cell", "arguments": ""}}],
                [{"index": 0, "id": None, "function": {"arguments": '"model"}'}}],
            ],
            ["a", "b"],
        ),
        (
            [
                [{"id": "a", "function": {"name": "read_cell", "arguments": '{"cell": '}}],
                [{"function": {"arguments": '"model"}'}}],
            ],
            ["a"],
        ),
    ],
    ids=["in one chunk", "index 0 each", "no index", "neither", "interleaved", "no index, pieces"],
)
def test_calls_are_put_together_from_each_servers_pieces(
    streaming: ChatServer, chunks: list[list[object]], ids: list[str]
) -> None:
    pieces = [delta(tool_calls=calls) for calls in chunks]
    answer = server.stream(*pieces, delta("tool_calls"), DONE)
    expected = [ToolCall(made, "read_cell", '{"cell": "model"}') for made in ids]
    assert list(answering(streaming, answer).ask(ASKED).calls) == expected


def test_usage_is_the_last_that_was_told(streaming: ChatServer) -> None:
    early = usage_event({"prompt_tokens": 1000, "completion_tokens": 1})
    answer = server.stream(early, delta("stop", content="fine"), usage_event(), DONE)
    usage = answering(streaming, answer).ask(ASKED).usage
    assert (usage.tokens_in, usage.tokens_out, usage.tokens_cached) == (1000, 100, 200)


@pytest.mark.parametrize(
    "said", ["Unrecognized request argument supplied: stream_options", "extra fields: stream"]
)
def test_a_server_that_refuses_to_stream_so_is_asked_otherwise(
    streaming: ChatServer, said: str
) -> None:
    refused = said.split()[-1]

    def script(body: Body) -> Answer:
        return server.status(400, said) if refused in body else FINE

    streaming.script = script
    asked = endpoint(streaming)
    assert asked.ask(ASKED, [TOOL]).text == "fine"
    sent = len(streaming.requests)
    assert asked.ask(ASKED, [TOOL]).text == "fine"
    assert len(streaming.requests) == sent + 1  # it is remembered


@pytest.mark.parametrize(
    "fault",
    [
        server.status(429, "slow down", retry_after="0"),
        server.status(429, "slow down", retry_after_ms="1"),
        server.status(429, "slow down", retry_after="Thu, 01 Jan 1970 00:00:00 GMT"),
        server.status(500, "oops"),
        server.status(502, "bad gateway"),
        server.status(503, "loading the model"),
        server.status(529, "overloaded"),
        server.status(408, "too slow"),
        server.cut(),
        server.raw(b"<html>a proxy's page</html>"),
        server.raw(b'{"choices": [{"mess', "application/json"),
        server.raw(b'{"choices": []}', "application/json"),
        server.raw(b'{"choices": null}', "application/json"),
        server.status(429, "the model is not available now", retry_after="0"),
        server.status(503, "unknown error in the function router"),
        server.status(400, "Failed to call a function", "tool_use_failed"),
        server.text(""),
        server.text(" \n"),
    ],
)
def test_a_fault_that_passes_is_waited_out(chat: ChatServer, fault: Answer) -> None:
    assert answering(chat, fault, fault, FINE).ask(ASKED, [TOOL]).text == "fine"
    assert len(chat.requests) == 3


def test_patience_ends(chat: ChatServer) -> None:
    with pytest.raises(EndpointError, match=r"answers 503: gone fishing"):
        answering(chat, server.status(503, "gone fishing")).ask(ASKED)
    assert len(chat.requests) == 3


BROKEN = [
    server.stream(delta(content="half an ans"), cut=True),
    server.stream(delta(content="half an ans")),
    server.stream(delta(content="half an ans"), server.event({"error": {"message": "lost it"}})),
    server.stream(delta(content="half an ans"), b"data: {rubbish\n\n"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=["cut", "ended", "error", "rubbish"])
def test_an_answer_that_breaks_off_is_asked_for_again_and_counted(
    streaming: ChatServer, broken: Answer
) -> None:
    spent: list[Usage] = []
    asked = answering(streaming, broken, FINE)
    assert asked.ask(ASKED, (), spent.append).text == "fine"
    assert [usage.tokens_out for usage in spent] == [4, 100]
    assert spent[0].tokens_in > 0


@pytest.mark.parametrize("broken", BROKEN, ids=["cut", "ended", "error", "rubbish"])
def test_answers_that_break_off_come_to_an_end(streaming: ChatServer, broken: Answer) -> None:
    with pytest.raises(EndpointError, match="failed 3 times; the last: "):
        answering(streaming, broken).ask(ASKED)
    assert len(streaming.requests) == 3


def test_an_error_within_a_stream_is_told_in_its_words(streaming: ChatServer) -> None:
    with pytest.raises(EndpointError, match="lost it"):
        answering(streaming, BROKEN[2]).ask(ASKED)


def test_what_empty_replies_took_is_counted(chat: ChatServer) -> None:
    spent: list[Usage] = []
    answering(chat, server.text(""), server.text(""), FINE).ask(ASKED, (), spent.append)
    assert [usage.tokens_in for usage in spent] == [1000, 1000, 1000]


def test_what_empty_replies_took_is_counted_also_if_none_is_better(chat: ChatServer) -> None:
    spent: list[Usage] = []
    with pytest.raises(EndpointError, match="an empty reply"):
        answering(chat, server.text("")).ask(ASKED, (), spent.append)
    assert [usage.tokens_in for usage in spent] == [1000, 1000, 1000]


def test_an_error_in_an_answer_that_claims_to_be_fine_is_told(chat: ChatServer) -> None:
    posing = server.raw(b'{"error": {"message": "upstream is busy"}}', "application/json")
    with pytest.raises(EndpointError, match="upstream is busy"):
        answering(chat, posing).ask(ASKED)


def test_a_server_that_asks_for_an_hour_is_down(chat: ChatServer) -> None:
    with pytest.raises(EndpointError, match="asks to wait 3600 s"):
        answering(chat, server.status(429, "later", retry_after="3600")).ask(ASKED)
    assert len(chat.requests) == 1


def test_nobody_there() -> None:
    with ChatServer(lambda _: FINE) as gone:
        url = gone.url
    asked = Endpoint(Model(Research("gpt", base_url=url), KEY, 1))
    spent: list[Usage] = []
    with pytest.raises(EndpointError, match="no connection"):
        asked.ask(ASKED, (), spent.append)
    with pytest.raises(EndpointError, match="is OPENAI_BASE_URL right"):
        asked.check()
    assert spent == []


def test_a_server_that_never_answers_is_asked_once(chat: ChatServer) -> None:
    released = threading.Event()
    chat.script = lambda _: Answer(wait=released)
    spent: list[Usage] = []
    try:
        with pytest.raises(EndpointError, match=r"nothing came for 0\.05 s"):
            endpoint(chat, timeout=0.05).ask(ASKED, (), spent.append)
    finally:
        released.set()
    assert len(chat.requests) == 1
    assert [usage.requests for usage in spent] == [1]


def test_a_stream_that_dies_is_asked_once(streaming: ChatServer) -> None:
    released = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield delta(content="half an ans")
        released.wait(60)

    streaming.script = lambda _: server.slowly(pieces())
    spent: list[Usage] = []
    try:
        with pytest.raises(EndpointError, match=r"nothing came for 0\.2 s"):
            endpoint(streaming, timeout=0.2).ask(ASKED, (), spent.append)
    finally:
        released.set()
    assert len(streaming.requests) == 1
    assert [usage.tokens_out for usage in spent] == [4]


def test_a_server_that_does_not_stream_and_refuses_to_is_asked_once(streaming: ChatServer) -> None:
    released = threading.Event()

    def script(body: Body) -> Answer:
        return server.status(400, "no stream here") if "stream" in body else Answer(wait=released)

    streaming.script = script
    try:
        with pytest.raises(EndpointError, match=r"nothing came for 0\.2 s"):
            endpoint(streaming, timeout=0.2).ask(ASKED)
    finally:
        released.set()
    assert ["stream" in body for body in streaming.bodies] == [True, True, False]


def test_a_slow_stream_lives_longer_than_the_timeout(streaming: ChatServer) -> None:
    signs = [b": still at it\n\n", delta(content=""), delta(reasoning_content="hm")] * 4
    pause = threading.Event()

    def pieces() -> Iterator[bytes]:
        for sign in signs:
            yield sign
            pause.wait(0.1)
        yield delta("stop", content="fine") + DONE

    streaming.script = lambda _: server.slowly(pieces())
    assert endpoint(streaming, timeout=1.0).ask(ASKED).text == "fine"


def pinging(streaming: ChatServer) -> Iterator[bytes]:
    """A stream that begins, and then says nothing until its reader has gone."""
    yield delta(content="half an ans")
    while not streaming.left.wait(0.01):
        yield b": still at it\n\n"


def test_a_stream_without_an_end_is_given_up(
    streaming: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST", 0.2)
    streaming.script = lambda _: server.slowly(pinging(streaming))
    with pytest.raises(EndpointError, match="no end of its answer"):
        endpoint(streaming).ask(ASKED)
    assert len(streaming.requests) == 1


def test_closing_hangs_up_on_a_silent_stream_and_counts_it(streaming: ChatServer) -> None:
    begun, released = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        yield delta(content="half an ans")
        begun.set()
        released.wait(60)

    streaming.script = lambda _: server.slowly(pieces())
    asked, spent = endpoint(streaming, timeout=600.0), list[Usage]()

    def close() -> None:
        assert begun.wait(60)
        asked.close()

    threading.Thread(target=close).start()
    with pytest.raises(EndpointError, match="stopped"):
        asked.ask(ASKED, (), spent.append)
    released.set()
    assert len(spent) == 1


def test_closing_counts_a_request_that_nothing_came_of_yet(streaming: ChatServer) -> None:
    released = threading.Event()
    streaming.script = lambda _: Answer(wait=released)
    asked, spent = endpoint(streaming, timeout=0.5), list[Usage]()
    threading.Timer(0.1, asked.close).start()
    with pytest.raises(EndpointError, match="stopped"):
        asked.ask(ASKED, (), spent.append)
    released.set()
    assert [usage.requests for usage in spent] == [1]


def test_closing_ends_a_wait(chat: ChatServer) -> None:
    asked = answering(chat, server.status(429, "later", retry_after_ms="300"))
    threading.Timer(0.05, asked.close).start()
    with pytest.raises(EndpointError, match="stopped"):
        asked.ask(ASKED)


def test_nothing_is_asked_once_it_is_closed(chat: ChatServer) -> None:
    asked = endpoint(chat)
    asked.close()
    with pytest.raises(EndpointError, match="stopped"):
        asked.ask(ASKED)
    assert chat.requests == []
