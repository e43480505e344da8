"""The real client, prompt, tools and git; only the model's words are scripted."""

from dataclasses import replace

import pytest

from autoresearch_kit.errors import EndpointError, LimitReached
from autoresearch_kit.records import Attempt, EditProtocol, Limits, Prices, Proposal, Reason
from autoresearch_kit.researchers.llm.prompt import digest
from autoresearch_kit.researchers.llm.transcript import read_transcript
from tests.researchers.llm import server
from tests.researchers.llm.conftest import KEY, Asked, Ledger, run_of
from tests.researchers.llm.server import Answer, Body, calls, said, text

Call = tuple[str, Body | str]


def setting(**values: float) -> Call:
    return "set_constants", {"values": values}


SUBMIT: Call = (
    "submit",
    {"idea": "Wider", "hypothesis": "More room.", "category": "architecture"},
)
WIDER, FASTER = setting(WIDTH=16), setting(RATE=0.5)
FAILING: Call = ("edit_cell", {"cell": "model", "old": "no such text", "new": "x"})
READ: Call = ("read", {"what": "notebook"})

NO_TOOLS = server.status(400, "this model does not support tools")
EDIT_BLOCK = (
    "```edit_cell config\n<<<<<<< SEARCH\nWIDTH = 8\n=======\nWIDTH = 16\n>>>>>>> REPLACE\n```\n"
)
SUBMIT_BLOCK = "```submit architecture\nidea: Wider\nhypothesis: More room.\n```\n"
BLOCKS = text(f"I make it wider.\n\n{EDIT_BLOCK}\n{SUBMIT_BLOCK}")


def test_a_proposal_says_what_is_tried_and_why(asked: Asked) -> None:
    (asked.ledger.root / "program.md").write_text("Only ever simplify.")
    asked.ledger.workspace.write_guidance("wider, not deeper")
    proposal = asked.propose(calls(WIDER, SUBMIT))
    assert replace(proposal, provenance=None) == Proposal(
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
    assert "Only ever simplify." in said(asked.bodies[0])
    assert "wider, not deeper" in said(asked.bodies[0])


def test_calls_may_come_one_by_one_and_each_is_answered(asked: Asked) -> None:
    look = calls(("read", {"what": "submit"}), ("read", {"what": 0}))
    assert asked.propose(look, calls(WIDER), calls(SUBMIT)).constants == {"WIDTH": 16}
    assert "run.submit(model)" in said(asked.bodies[1])
    assert "      98       294    3.0800" in said(asked.bodies[1])
    assert "+WIDTH = 16" in said(asked.bodies[2])


def test_what_is_running_is_not_proposed_again(asked: Asked) -> None:
    running = Proposal(1, 0, "llm", "Wider now", "", constants={"WIDTH": 16})
    view = replace(asked.ledger.view, number=2, running=[running])
    proposal = asked.propose(calls(WIDER, SUBMIT), calls(FASTER, SUBMIT), view=view)
    assert proposal.constants == {"WIDTH": 16, "RATE": 0.5}
    assert "experiment 1, which is running now, is exactly this code" in asked.last


def test_three_failed_submits_give_the_idea_up(asked: Asked) -> None:
    proposal = asked.propose(calls(SUBMIT))
    assert (proposal.idea, len(asked.bodies)) == ("Wider", 3)
    assert proposal.failure.startswith("3 submits failed: nothing changed")


def test_a_model_that_reads_for_ever_is_given_up(asked: Asked) -> None:
    assert asked.propose(calls(READ)).failure == "nothing was submitted in 40 requests"


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
def test_a_model_of_no_use_is_left_for_now(asked: Asked, answer: Answer) -> None:
    with pytest.raises(EndpointError, match="made no edit in 4 replies"):
        asked.propose(answer)
    assert len(asked.bodies) < 10


@pytest.mark.parametrize(
    "failing", [FAILING, ("edit_cell", '{"cell": "mod'), ("run_shell", {"command": "ls"})]
)
def test_nothing_after_a_failed_call_is_carried_out(asked: Asked, failing: Call) -> None:
    proposal = asked.propose(calls(WIDER, failing, FASTER, SUBMIT), calls(SUBMIT))
    messages = asked.bodies[1]["messages"]
    assert isinstance(messages, list)
    told = [message["content"] for message in messages if message["role"] == "tool"]
    assert [text.startswith("not carried out") for text in told] == [False, False, True, True]
    assert f"{failing[0]} before it failed (error: " in told[3]
    assert proposal.constants == {"WIDTH": 16}


def test_a_submit_after_a_failed_edit_is_no_failed_submit(asked: Asked) -> None:
    half, back = calls(WIDER, FAILING, SUBMIT), calls(setting(WIDTH=8), FAILING, SUBMIT)
    proposal = asked.propose(half, back, half, back, half, calls(FASTER, SUBMIT))
    assert not proposal.failure
    assert proposal.constants == {"WIDTH": 16, "RATE": 0.5}


def test_nothing_after_a_failed_block_is_carried_out(asked: Asked) -> None:
    failing = EDIT_BLOCK.replace("WIDTH = 8", "no such text")
    half = text(f"{EDIT_BLOCK}\n{failing}\n```read 0\n```\n{SUBMIT_BLOCK}")
    proposal = asked.propose(half, text(SUBMIT_BLOCK), protocol=EditProtocol.BLOCKS)
    assert "read: not carried out: edit_cell before it failed" in asked.last
    assert "submit: not carried out: edit_cell before it failed" in asked.last
    assert proposal.constants == {"WIDTH": 16}


def test_the_last_call_of_a_cut_reply_is_refused(asked: Asked) -> None:
    whole = calls(WIDER, FASTER)
    cut = whole.body.replace(b'"finish_reason": "tool_calls"', b'"finish_reason": "length"')
    assert asked.propose(replace(whole, body=cut), calls(SUBMIT)).constants == {"WIDTH": 16}
    assert "not carried out. Your reply was cut off" in asked.last


def test_an_endpoint_without_tools_gets_blocks_from_then_on(asked: Asked) -> None:
    llm = asked.by(NO_TOOLS, BLOCKS)
    assert llm.propose(asked.ledger.view) == llm.propose(asked.ledger.view)
    assert ["tools" in body for body in asked.bodies] == [True, False, False]


def test_a_model_that_ignores_tools_gets_blocks(asked: Asked) -> None:
    assert asked.propose(text("so be it"), text("well"), BLOCKS).constants == {"WIDTH": 16}
    assert "```submit" in said(asked.bodies[-1])


def test_tools_can_be_insisted_on(asked: Asked) -> None:
    with pytest.raises(EndpointError, match="--protocol blocks"):
        asked.propose(NO_TOOLS, protocol=EditProtocol.TOOLS)


def test_blocks_are_answered_together_and_malformed_ones_told(asked: Asked) -> None:
    reads, bad = text("```read submit\n```\n```read 0\n```"), text("```edit_cell model\nx\n```")
    proposal = asked.propose(reads, bad, BLOCKS, protocol=EditProtocol.BLOCKS)
    assert proposal.constants == {"WIDTH": 16}
    assert "read: run.submit(model)" in said(asked.bodies[1])
    assert "read: experiment 0" in said(asked.bodies[1])
    assert "<<<<<<< SEARCH" in asked.last


def crashed() -> Proposal:
    run = run_of(None, Reason.ERROR, "AttributeError: no such thing")
    attempt = Attempt((), {"WIDTH": 16}, run, "Traceback:\nAttributeError: \x1b[31mno such thing")
    made = Proposal(1, 0, "llm", "Wider", "More room.", constants={"WIDTH": 16})
    return replace(made, attempts=(attempt,))


def test_a_repair_begins_with_what_crashed_and_its_traceback(asked: Asked) -> None:
    llm = asked.by(calls(setting(RATE=0.01), SUBMIT))
    mended = llm.repair(asked.ledger.view, crashed())
    assert mended is not None
    assert mended.constants == {"WIDTH": 16, "RATE": 0.01}
    assert mended.attempts == crashed().attempts
    assert "| Traceback:\n| AttributeError: no such thing" in said(asked.bodies[0])


def test_a_repair_that_is_given_up_is_none(asked: Asked) -> None:
    llm = asked.by(calls(setting(WIDTH=8), SUBMIT))
    assert llm.repair(asked.ledger.view, crashed()) is None


EMPTY = text("", usage={"prompt_tokens": 15_000, "completion_tokens": 1})


@pytest.mark.parametrize("answer", [calls(READ), EMPTY], ids=["reads", "is of no use"])
def test_a_cap_is_never_passed(asked: Asked, answer: Answer) -> None:
    llm = asked.by(answer, limits=Limits(tokens=20_000))
    with pytest.raises(LimitReached, match="cap of 20,000"):
        llm.propose(asked.ledger.view)
    assert llm.meter.spent_on(1).requests == len(asked.bodies)
    assert 0 < llm.meter.spent_on(1).tokens <= 20_000


def test_a_cap_in_dollars_ends_it_too(asked: Asked) -> None:
    prices = Prices(input=1000.0, output=1000.0, cached=1000.0)
    with pytest.raises(LimitReached, match="--max-usd"):
        asked.propose(calls(READ), limits=Limits(usd=12.0), prices=prices)


def test_lessons_are_asked_for_every_few_experiments(asked: Asked) -> None:
    view = replace(asked.ledger.view, number=8)
    proposal = asked.propose(text("worked: nothing yet"), calls(WIDER, SUBMIT), view=view)
    assert proposal.lessons == "worked: nothing yet"
    assert "write down what this campaign has taught" in said(asked.bodies[0])
    assert "cell=model" not in said(asked.bodies[0])
    assert "worked: nothing yet" in said(asked.bodies[1])


def test_the_transcript_has_every_word_and_no_key(asked: Asked) -> None:
    fault = server.status(400, "context length exceeded")
    with pytest.raises(EndpointError):
        asked.propose(calls(WIDER), text(f"the key is {KEY}"), fault)
    path = asked.ledger.workspace.transcript(1)
    lines = read_transcript(path)
    roles = ["system", "user", "assistant", "tool", "assistant", "user", "kit"]
    assert [line.role for line in lines] == roles
    assert "context length exceeded" in lines[-1].text
    assert KEY not in path.read_text()


def stale(ledger: Ledger) -> Proposal:
    """Return an idea for experiment 2, made for the baseline, before experiment 1 was kept."""
    ledger.constants(1, 1.5, WIDTH=12)
    return Proposal(2, 0, "llm", "Wider", "More room.", constants={"WIDTH": 16}, lessons="learnt")


def test_an_idea_is_carried_over_to_a_new_best(asked: Asked) -> None:
    old, llm = stale(asked.ledger), asked.by(calls(WIDER, SUBMIT))
    carried = llm.carry_over(asked.ledger.view, old)
    assert carried
    assert (carried.number, carried.parent, carried.idea) == (2, 1, "Wider")
    assert (carried.constants, carried.lessons) == ({"WIDTH": 16}, "learnt")
    for words in ("More room.", "+WIDTH = 16", "+WIDTH = 12", "Carry the idea over"):
        assert words in said(asked.bodies[0])


def test_an_idea_of_no_use_to_the_new_best_goes(asked: Asked) -> None:
    old, llm = stale(asked.ledger), asked.by(text("It is wide enough now.\n\n**GIVE UP**"))
    assert llm.carry_over(asked.ledger.view, old) is None
    assert len(asked.bodies) == 1
