"""The real client against a real server on loopback, which has every fault that passes."""

import threading
from collections.abc import Iterator

import pytest

from autoresearch_kit.errors import EndpointError
from autoresearch_kit.records import Prices, Research, Usage
from autoresearch_kit.researchers.llm.endpoint import Endpoint
from autoresearch_kit.researchers.llm.messages import Message, Role, ToolCall
from autoresearch_kit.retry import Patience
from tests.researchers.llm import server
from tests.researchers.llm.asking import ASKED, FINE, KEY, QUICK, TOOL, answering, endpoint
from tests.researchers.llm.server import Answer, ChatServer


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer(lambda _: FINE) as running:
        yield running


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
    asked = Endpoint(Research("gpt", base_url=chat.url, prices=prices), KEY, QUICK)
    assert asked.ask(ASKED).usage.usd == pytest.approx((800 * 10 + 200 * 1 + 100 * 100) / 1e6)


def test_no_figures_are_one_request_of_unknown_size(chat: ChatServer) -> None:
    reply = answering(chat, server.text("fine", usage=None)).ask(ASKED)
    assert (reply.usage.requests, reply.usage.tokens) == (1, 0)


def test_what_is_sent(chat: ChatServer) -> None:
    call = ToolCall("c1", "read_cell", '{"cell": "model"}')
    talk = [*ASKED, Message(Role.ASSISTANT, "", (call,)), Message(Role.TOOL, "x = 1", (), "c1")]
    endpoint(chat).ask(talk, [TOOL])
    assert chat.bodies[0] == {
        "model": "gpt",
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
    with pytest.raises(EndpointError, match=r"failed 3 times; the last: 503: gone fishing"):
        answering(chat, server.status(503, "gone fishing")).ask(ASKED)
    assert len(chat.requests) == 3


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
    asked = Endpoint(Research("gpt", base_url=url), KEY, QUICK)
    with pytest.raises(EndpointError, match="failed 3 times; the last: no connection"):
        asked.ask(ASKED)
    with pytest.raises(EndpointError, match="is OPENAI_BASE_URL right"):
        asked.check()


def test_a_server_that_never_answers(chat: ChatServer) -> None:
    released = threading.Event()
    chat.script = lambda _: Answer(wait=released)
    impatient = Patience(tries=2, first=0.001, timeout=0.05)
    try:
        with pytest.raises(EndpointError, match=r"the last: no answer within 0\.05 s"):
            endpoint(chat, patience=impatient).ask(ASKED)
    finally:
        released.set()


def test_closing_ends_a_wait(chat: ChatServer) -> None:
    asked = answering(chat, server.status(429, "later", retry_after="4"))
    threading.Timer(0.05, asked.close).start()
    with pytest.raises(EndpointError, match="stopped"):
        asked.ask(ASKED)
