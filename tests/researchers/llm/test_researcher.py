"""The real client, prompt, tools and git; only the model's words are scripted."""

from dataclasses import replace

import pytest

from autoresearch_kit.errors import EndpointError, LimitReached
from autoresearch_kit.records import Attempt, EditProtocol, Limits, Prices, Proposal, Reason
from autoresearch_kit.researchers.llm.prompt import digest
from autoresearch_kit.researchers.llm.transcript import read_transcript
from tests.researchers.llm import server
from tests.researchers.llm.conftest import KEY, Ledger, researcher, run_of
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, in_turn, said, text

SUBMIT = ("submit", {"idea": "Wider", "hypothesis": "More room.", "category": "architecture"})
WIDER: tuple[str, Body] = ("set_constants", {"values": {"WIDTH": 16}})
FASTER: tuple[str, Body] = ("set_constants", {"values": {"RATE": 0.5}})
FAILING = ("edit_cell", {"cell": "model", "old": "no such text", "new": "x"})
READ = ("read", {"what": "notebook"})

NO_TOOLS = server.status(400, "this model does not support tools")
EDIT_BLOCK = (
    "```edit_cell config\n<<<<<<< SEARCH\nWIDTH = 8\n=======\nWIDTH = 16\n>>>>>>> REPLACE\n```\n"
)
SUBMIT_BLOCK = "```submit architecture\nidea: Wider\nhypothesis: More room.\n```\n"
BLOCKS = text(f"I make it wider.\n\n{EDIT_BLOCK}\n{SUBMIT_BLOCK}")


def proposed(ledger: Ledger, chat: ChatServer, *answers: Answer, **changed: object) -> Proposal:
    chat.script = in_turn(*answers)
    return researcher(ledger, chat, **changed).propose(ledger.view)  # type: ignore[arg-type]


def last_words(chat: ChatServer) -> str:
    """Return the last message of the last request."""
    messages = chat.bodies[-1]["messages"]
    assert isinstance(messages, list)
    return str(messages[-1]["content"])


def test_a_proposal_says_what_is_tried_and_why(ledger: Ledger, chat: ChatServer) -> None:
    (ledger.root / "program.md").write_text("Only ever simplify.")
    ledger.workspace.write_guidance("wider, not deeper")
    proposal = proposed(ledger, chat, calls(WIDER, SUBMIT))
    assert proposal == Proposal(
        number=1,
        parent=0,
        researcher="llm",
        idea="Wider",
        hypothesis="More room.",
        category="architecture",
        constants={"WIDTH": 16},
        directive=digest("Only ever simplify."),
        guidance="wider, not deeper",
        model="scripted",
    )
    assert "Only ever simplify." in said(chat.bodies[0])
    assert "wider, not deeper" in said(chat.bodies[0])


def test_calls_may_come_one_by_one_and_each_is_answered(ledger: Ledger, chat: ChatServer) -> None:
    look = calls(("read", {"what": "submit"}), ("read", {"what": 0}))
    proposal = proposed(ledger, chat, look, calls(WIDER), calls(SUBMIT))
    assert proposal == proposed(ledger, chat, calls(WIDER, SUBMIT))
    assert "run.submit(model)" in said(chat.bodies[1])
    assert "smoothed: the median of each 5% of its points" in said(chat.bodies[1])
    assert "      98       294    3.0800" in said(chat.bodies[1])
    assert "+WIDTH = 16" in said(chat.bodies[2])


def test_what_is_running_is_not_proposed_again(ledger: Ledger, chat: ChatServer) -> None:
    running = Proposal(1, 0, "llm", "Wider now", "", constants={"WIDTH": 16})
    chat.script = in_turn(calls(WIDER, SUBMIT), calls(FASTER, SUBMIT))
    view = replace(ledger.view, number=2, running=[running])
    assert researcher(ledger, chat).propose(view).constants == {"WIDTH": 16, "RATE": 0.5}
    assert "experiment 1, which is running now, is exactly this code" in last_words(chat)


def test_three_failed_submits_give_the_idea_up(ledger: Ledger, chat: ChatServer) -> None:
    proposal = proposed(ledger, chat, calls(SUBMIT))
    assert proposal.idea == "Wider"
    assert proposal.failure.startswith("3 submits failed: nothing changed")
    assert len(chat.requests) == 3


def test_a_model_that_reads_for_ever_is_given_up(ledger: Ledger, chat: ChatServer) -> None:
    proposal = proposed(ledger, chat, calls(READ))
    assert proposal.failure == "nothing was submitted in 40 requests"


@pytest.mark.parametrize(
    "answer",
    [
        text("Here is an idea: make it wider."),
        server.completion({"role": "assistant", "content": None, "refusal": "I can't help."}),
        text("half of a th", finish="length"),
        calls(("edit_cell", "not json")),
    ],
    ids=["chats", "refuses", "is cut off", "writes no JSON"],
)
def test_a_model_of_no_use_is_left_for_now(
    ledger: Ledger, chat: ChatServer, answer: Answer
) -> None:
    with pytest.raises(EndpointError, match="made no edit in 4 replies"):
        proposed(ledger, chat, answer)
    assert len(chat.requests) < 10


@pytest.mark.parametrize(
    "failing", [FAILING, ("edit_cell", '{"cell": "mod'), ("run_shell", {"command": "ls"})]
)
def test_nothing_after_a_failed_call_is_carried_out(
    ledger: Ledger, chat: ChatServer, failing: tuple[str, Body | str]
) -> None:
    proposal = proposed(ledger, chat, calls(WIDER, failing, FASTER, SUBMIT), calls(SUBMIT))
    told = outcomes(chat.bodies[1])
    assert [text.startswith("not carried out") for text in told] == [False, False, True, True]
    assert f"{failing[0]} before it failed (error: " in told[3]
    assert proposal.constants == {"WIDTH": 16}


def outcomes(body: Body) -> list[str]:
    """Return the answer to each call, in order."""
    messages = body["messages"]
    assert isinstance(messages, list)
    answered = {m["tool_call_id"]: m["content"] for m in messages if m["role"] == "tool"}
    made = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    return [answered[name] for name in made]


def test_a_submit_after_a_failed_edit_is_no_failed_submit(ledger: Ledger, chat: ChatServer) -> None:
    half = calls(WIDER, FAILING, SUBMIT)
    back = calls(("set_constants", {"values": {"WIDTH": 8}}), FAILING, SUBMIT)
    proposal = proposed(ledger, chat, half, back, half, back, half, calls(FASTER, SUBMIT))
    assert not proposal.failure
    assert proposal.constants == {"WIDTH": 16, "RATE": 0.5}


def test_nothing_after_a_failed_block_is_carried_out(ledger: Ledger, chat: ChatServer) -> None:
    failing = EDIT_BLOCK.replace("WIDTH = 8", "no such text")
    half = text(f"{EDIT_BLOCK}\n{failing}\n```read 0\n```\n{SUBMIT_BLOCK}")
    proposal = proposed(ledger, chat, half, text(SUBMIT_BLOCK), protocol=EditProtocol.BLOCKS)
    assert "read: not carried out: edit_cell before it failed" in last_words(chat)
    assert "submit: not carried out: edit_cell before it failed" in last_words(chat)
    assert proposal.constants == {"WIDTH": 16}


def test_the_last_call_of_a_cut_reply_is_refused(ledger: Ledger, chat: ChatServer) -> None:
    whole = calls(WIDER, FASTER)
    cut = whole.body.replace(b'"finish_reason": "tool_calls"', b'"finish_reason": "length"')
    proposal = proposed(ledger, chat, replace(whole, body=cut), calls(SUBMIT))
    assert "not carried out. Your reply was cut off" in last_words(chat)
    assert proposal.constants == {"WIDTH": 16}


def test_an_endpoint_without_tools_gets_blocks_from_then_on(
    ledger: Ledger, chat: ChatServer
) -> None:
    chat.script = in_turn(NO_TOOLS, BLOCKS)
    asked = researcher(ledger, chat)
    assert asked.propose(ledger.view) == asked.propose(ledger.view)
    assert ["tools" in body for body in chat.bodies] == [True, False, False]


def test_a_model_that_ignores_tools_gets_blocks(ledger: Ledger, chat: ChatServer) -> None:
    proposal = proposed(ledger, chat, text("so be it"), text("well"), BLOCKS)
    assert proposal.constants == {"WIDTH": 16}
    assert "```submit" in said(chat.bodies[-1])


def test_tools_can_be_insisted_on(ledger: Ledger, chat: ChatServer) -> None:
    with pytest.raises(EndpointError, match="--protocol blocks"):
        proposed(ledger, chat, NO_TOOLS, protocol=EditProtocol.TOOLS)


def test_blocks_are_answered_together_and_malformed_ones_told(
    ledger: Ledger, chat: ChatServer
) -> None:
    reads, bad = text("```read submit\n```\n```read 0\n```"), text("```edit_cell model\nx\n```")
    proposal = proposed(ledger, chat, reads, bad, BLOCKS, protocol=EditProtocol.BLOCKS)
    assert proposal.constants == {"WIDTH": 16}
    assert "read: run.submit(model)" in said(chat.bodies[1])
    assert "read: experiment 0" in said(chat.bodies[1])
    assert "<<<<<<< SEARCH" in last_words(chat)


def crashed(ledger: Ledger) -> Proposal:
    run = run_of(None, Reason.ERROR, "AttributeError: no such thing")
    attempt = Attempt((), {"WIDTH": 16}, run, "Traceback:\nAttributeError: \x1b[31mno such thing")
    return Proposal(
        1, 0, "llm", "Wider", "More room.", constants={"WIDTH": 16}, attempts=(attempt,)
    )


def test_a_repair_begins_with_what_crashed_and_its_traceback(
    ledger: Ledger, chat: ChatServer
) -> None:
    chat.script = in_turn(calls(("set_constants", {"values": {"RATE": 0.01}}), SUBMIT))
    mended = researcher(ledger, chat).repair(ledger.view, crashed(ledger))
    assert mended is not None
    assert mended.constants == {"WIDTH": 16, "RATE": 0.01}
    assert mended.attempts == crashed(ledger).attempts
    assert "| Traceback:\n| AttributeError: no such thing" in said(chat.bodies[0])


def test_a_repair_that_is_given_up_is_none(ledger: Ledger, chat: ChatServer) -> None:
    chat.script = in_turn(calls(("set_constants", {"values": {"WIDTH": 8}}), SUBMIT))
    assert researcher(ledger, chat).repair(ledger.view, crashed(ledger)) is None


EMPTY = text("", usage={"prompt_tokens": 15_000, "completion_tokens": 1})


@pytest.mark.parametrize("answer", [calls(READ), EMPTY], ids=["reads", "is of no use"])
def test_a_cap_is_never_passed(ledger: Ledger, chat: ChatServer, answer: Answer) -> None:
    chat.script = in_turn(answer)
    asked = researcher(ledger, chat, Limits(tokens=20_000))
    with pytest.raises(LimitReached, match="cap of 20,000"):
        asked.propose(ledger.view)
    assert asked.meter.spent_on(1).requests == len(chat.requests)
    assert 0 < asked.meter.spent_on(1).tokens <= 20_000


def test_a_cap_in_dollars_ends_it_too(ledger: Ledger, chat: ChatServer) -> None:
    chat.script = in_turn(calls(READ))
    prices = Prices(input=1000.0, output=1000.0, cached=1000.0)
    with pytest.raises(LimitReached, match="--max-usd"):
        researcher(ledger, chat, Limits(usd=12.0), prices=prices).propose(ledger.view)


def test_lessons_are_asked_for_every_few_experiments(ledger: Ledger, chat: ChatServer) -> None:
    chat.script = in_turn(text("worked: nothing yet"), calls(WIDER, SUBMIT))
    view = replace(ledger.view, number=8)
    assert researcher(ledger, chat).propose(view).lessons == "worked: nothing yet"
    assert "write down what this campaign has taught" in said(chat.bodies[0])
    assert "cell=model" not in said(chat.bodies[0])
    assert "worked: nothing yet" in said(chat.bodies[1])


def test_the_transcript_has_every_word_and_no_key(ledger: Ledger, chat: ChatServer) -> None:
    fault = server.status(400, "context length exceeded")
    with pytest.raises(EndpointError):
        proposed(ledger, chat, calls(WIDER), text(f"the key is {KEY}"), fault)
    path = ledger.workspace.transcript(1)
    lines = read_transcript(path)
    assert [line.role for line in lines] == [
        *["system", "user", "assistant", "tool", "assistant", "user", "kit"]
    ]
    assert "context length exceeded" in lines[-1].text
    assert KEY not in path.read_text()


def stale(ledger: Ledger) -> Proposal:
    """An idea for experiment 2, made for the baseline, before experiment 1 was kept."""
    made = Proposal(2, 0, "llm", "Wider", "More room.", constants={"WIDTH": 16}, lessons="learnt")
    ledger.constants(1, 1.5, WIDTH=12)
    return made


def test_an_idea_is_carried_over_to_a_new_best(ledger: Ledger, chat: ChatServer) -> None:
    old = stale(ledger)
    chat.script = in_turn(calls(WIDER, SUBMIT))
    carried = researcher(ledger, chat).carry_over(ledger.view, old)
    assert carried
    assert (carried.number, carried.parent, carried.idea) == (2, 1, "Wider")
    assert (carried.constants, carried.lessons) == ({"WIDTH": 16}, "learnt")
    for words in ("More room.", "+WIDTH = 16", "+WIDTH = 12", "Carry the idea over"):
        assert words in said(chat.bodies[0])


def test_an_idea_of_no_use_to_the_new_best_goes(ledger: Ledger, chat: ChatServer) -> None:
    old = stale(ledger)
    chat.script = in_turn(text("It is wide enough now.\n\n**GIVE UP**"))
    assert researcher(ledger, chat).carry_over(ledger.view, old) is None
    assert len(chat.requests) == 1
