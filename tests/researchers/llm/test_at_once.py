"""Several requests to an endpoint at once, by one researcher."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from autoresearch_kit.errors import LimitReached
from autoresearch_kit.records import EditProtocol, Limits, Proposal
from autoresearch_kit.researchers.llm.researcher import LLMResearcher
from tests.researchers.llm.conftest import Asked
from tests.researchers.llm.server import Answer, Body, calls, completion
from tests.researchers.llm.test_researcher import BLOCKS, SUBMIT, WIDER

ASKED_AT_ONCE = 6
CAP = 16_000  # tokens


class Late:
    """Answers a request once `count` of them are there, or nobody else asks."""

    def __init__(self, answer: Answer, count: int) -> None:
        self.answer, self.count = answer, count
        self.under_way = self.most = self.answered = 0
        self.change = threading.Condition()

    def __call__(self, body: Body) -> Answer:
        with self.change:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.change.notify_all()
            assert self.change.wait_for(lambda: self.most >= self.count or self.answered, 60)
            self.under_way -= 1
            self.answered += 1
            self.change.notify_all()
        return self.answer


def outcomes(asked: Asked, researcher: LLMResearcher) -> list[Proposal | BaseException | None]:
    """Return the outcomes of several proposals that are asked for at once."""
    views = [replace(asked.ledger.view, number=n) for n in range(1, ASKED_AT_ONCE + 1)]
    with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
        made = [threads.submit(researcher.propose, view) for view in views]
    return [each.exception() or each.result() for each in made]


def test_requests_at_once_do_not_pass_the_cap(asked: Asked) -> None:
    """Each takes 6,000 tokens, and is taken to need some more; two fit, and six are asked for."""
    usage = {"prompt_tokens": 2_000, "completion_tokens": 4_000}
    script = Late(completion({"role": "assistant", "content": "GIVE UP"}, usage=usage), 2)
    limits = Limits(tokens=CAP)
    researcher = asked.by(limits=limits, protocol=EditProtocol.TOOLS)
    asked.chat.script = script
    made = outcomes(asked, researcher)
    assert (script.most, script.answered) == (2, 2)
    assert researcher.meter.total([]).tokens <= CAP
    assert {type(each) for each in made} == {Proposal, LimitReached}


def test_conversations_at_once_all_learn_that_there_are_no_tools(asked: Asked) -> None:
    script = Late(BLOCKS, ASKED_AT_ONCE)
    researcher = asked.by()
    asked.chat.script = script
    assert [each.constants for each in outcomes(asked, researcher)] == [{"WIDTH": 16}] * 6  # type: ignore[union-attr]


def test_each_conversation_has_its_own_transcript_and_usage(asked: Asked) -> None:
    script = Late(calls(WIDER, SUBMIT), ASKED_AT_ONCE)
    researcher = asked.by()
    asked.chat.script = script
    outcomes(asked, researcher)
    meter, place = researcher.meter, asked.ledger.workspace
    numbers = range(1, ASKED_AT_ONCE + 1)
    assert [meter.spent_on(number).requests for number in numbers] == [1] * ASKED_AT_ONCE
    lines = [place.transcript(number).read_text().count("\n") for number in numbers]
    assert lines == [3] * ASKED_AT_ONCE
