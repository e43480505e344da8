"""A conversation about one proposal: the model edits a draft by tools until it submits.

The calls of one answer are carried out in order, up to the first that fails: what the model wrote
after it, a submit above all, relied on it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from openai.types.chat import ChatCompletionMessageParam

from autoresearch_kit.errors import EditError, EndpointError, NoToolsError
from autoresearch_kit.records import EditProtocol
from autoresearch_kit.records.text import one_line
from autoresearch_kit.researchers.llm import blocks, tools
from autoresearch_kit.researchers.llm.answer import Reply, ToolCall
from autoresearch_kit.researchers.llm.draft import (
    Draft,
    ProbeFailedError,
    Submitted,
    UnchangedError,
)

SUBMITS = 3
"""Submits that may fail before the idea is given up."""

REQUESTS = 40
"""Requests in one conversation."""

FRUITLESS = 4
"""Replies in a row without one call that worked, after which the model is of no use for now."""

CHATS = 2
"""First replies without a call, after which a model is taken to know no function calling."""

FAILED_LENGTH = 200
"""Characters of a failure that the calls after it repeat."""

_GIVE_UP = re.compile(r"^\W*give up\W*$", re.IGNORECASE | re.MULTILINE)

CUT_OFF = "Your reply was cut off at its length limit. Make smaller edits, one at a time."

Ask = Callable[[Sequence[ChatCompletionMessageParam], EditProtocol], Reply]
"""Sends the messages, and the tools if the protocol has them; counts and records the reply."""


@dataclass(frozen=True)
class GivenUp:
    """The model could not make its idea into something that can be run."""

    idea: str
    reason: str


@dataclass(frozen=True)
class _Outcome:
    """The answer to a call; `stops` if the calls after it are not carried out."""

    worked: bool
    text: str
    stops: bool = False


class Conversation:
    """The messages so far, and the draft they are about."""

    def __init__(
        self,
        ask: Ask,
        protocol: EditProtocol,
        opening: Sequence[ChatCompletionMessageParam],
        draft: Draft,
    ) -> None:
        self._ask = ask
        self._blocks = protocol is EditProtocol.BLOCKS
        self._may_switch = protocol is EditProtocol.AUTO
        self._messages = list(opening)
        self._draft = draft
        self._failed_submits: list[str] = []
        self._fruitless = 0
        self._used_tools = False

    def hold(self) -> Submitted | GivenUp:
        """Talk until the model submits, or is given up.

        Raises:
            NoToolsError: the model knows no function calling, and may be asked for blocks.
            EndpointError: the endpoint is down, or what it answers is of no use.
            LimitReached: a cap on tokens or dollars.
        """
        protocol = EditProtocol.BLOCKS if self._blocks else EditProtocol.TOOLS
        for _ in range(REQUESTS):
            reply = self._ask(self._messages, protocol)
            ended = self._answer(reply)
            if ended:
                return ended
            if len(self._failed_submits) >= SUBMITS:
                return GivenUp(
                    self._draft.idea, f"{SUBMITS} submits failed: {self._failed_submits[-1]}"
                )
            self._check_use(reply)
        return GivenUp(self._draft.idea, f"nothing was submitted in {REQUESTS} requests")

    def _answer(self, reply: Reply) -> Submitted | GivenUp | None:
        """Do what the reply asks for, and put the outcomes into the messages."""
        self._messages.append(reply.message())
        try:
            calls = blocks.parse(reply.text) if self._blocks else list(reply.calls)
        except EditError as error:
            self._fruitless += 1
            self._say(f"error: {error}" + (f". {CUT_OFF}" if reply.truncated else ""))
            return None
        if not calls and _GIVE_UP.search(reply.text):
            return GivenUp(self._draft.idea, "the model gave it up")
        done = self._carry_out(calls, cut=reply.truncated)
        if isinstance(done, Submitted):
            return done
        self._used_tools |= bool(calls)
        worked = any(outcome.worked for outcome in done)
        self._fruitless = 0 if worked else self._fruitless + 1
        self._report(calls, done, reply)
        return None

    def _carry_out(self, calls: Sequence[ToolCall], *, cut: bool) -> Submitted | list[_Outcome]:
        """Carry the calls out up to the first that fails; if `cut`, the last may not be whole."""
        outcomes: list[_Outcome] = []
        for number, call in enumerate(calls, start=1):
            if cut and number == len(calls):
                return [*outcomes, _Outcome(False, f"not carried out. {CUT_OFF}")]
            outcome = self._call(call)
            if isinstance(outcome, Submitted):
                return outcome
            outcomes.append(outcome)
            if outcome.stops:
                why = one_line(outcome.text, FAILED_LENGTH)
                text = f"not carried out: {call.name} before it failed ({why})"
                return outcomes + [_Outcome(False, text)] * (len(calls) - number)
        return outcomes

    def _call(self, call: ToolCall) -> Submitted | _Outcome:
        try:
            done = tools.call(self._draft, call.name, call.arguments)
        except UnchangedError as error:  # the notebook is as the calls after it expect
            return _Outcome(False, f"error: {error}")
        except ProbeFailedError as error:  # of use, but a submit after it expected it to run
            return _Outcome(True, str(error), stops=True)
        except EditError as error:
            if call.name == "submit":
                self._failed_submits.append(str(error))
            return _Outcome(False, f"error: {error}", stops=True)
        return done if isinstance(done, Submitted) else _Outcome(True, done)

    def _report(
        self, calls: Sequence[ToolCall], outcomes: Sequence[_Outcome], reply: Reply
    ) -> None:
        answered = list(zip(calls, outcomes, strict=True))
        if not answered:
            way = "a fenced block as described" if self._blocks else "a tool"
            nudge = f"Nothing was done: that reply used no tool. Edit the notebook with {way}, "
            self._say(CUT_OFF if reply.truncated else f"{nudge}then submit.")
        elif self._blocks:
            self._say("\n\n".join(f"{call.name}: {done.text}" for call, done in answered))
        else:
            self._messages += [
                {"role": "tool", "content": done.text, "tool_call_id": call.id}
                for call, done in answered
            ]

    def _say(self, text: str) -> None:
        self._messages.append({"role": "user", "content": text})

    def _check_use(self, reply: Reply) -> None:
        """Raise an error if the model does nothing with the tools, or nothing at all."""
        if (
            self._may_switch
            and not self._blocks
            and not self._used_tools
            and self._fruitless >= CHATS
        ):
            raise NoToolsError("the model answers without calling a tool")
        if self._fruitless >= FRUITLESS:
            said = reply.refusal or reply.text
            raise EndpointError(
                f"the model made no edit in {FRUITLESS} replies; its last: {said[:200]!r}"
            )
