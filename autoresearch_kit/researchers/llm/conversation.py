"""A conversation about one proposal: the model edits a draft by tools until it submits.

The calls of one answer are carried out in order, up to the first that fails: what the model wrote
after it, a submit above all, relied on it.
"""

import re
from collections.abc import Callable, Sequence

from openai.types.chat import ChatCompletionMessageParam

from autoresearch_kit.errors import EditError, EndpointError, NoToolsError
from autoresearch_kit.records import EditProtocol, Proposal
from autoresearch_kit.records.text import one_line
from autoresearch_kit.researchers.llm import blocks, tools
from autoresearch_kit.researchers.llm.answer import Reply, ToolCall
from autoresearch_kit.researchers.llm.draft import Draft, ProbeFailedError, UnchangedError

SUBMITS = 3  # submits that may fail before the idea is given up
REQUESTS = 40  # requests in one conversation
FRUITLESS = 4
"""Replies in a row without one call that worked, after which the model is of no use for now."""

CHATS = 2  # first replies without a call, after which a model is taken to know no function calling
NAME_LENGTH = 40  # characters of a call's name, which the model chose, that are recorded
FAILED_LENGTH = 200  # characters of a failure that the calls after it repeat
_GIVE_UP = re.compile(r"^\W*give up\W*$", re.IGNORECASE | re.MULTILINE)

CUT_OFF = "Your reply was cut off at its length limit. Make smaller edits, one at a time."

Ask = Callable[[Sequence[ChatCompletionMessageParam]], Reply]
"""Sends the messages; counts and records the reply."""


class Conversation:
    """The messages so far, and the draft they are about.

    `called` names the calls that were carried out, in order, those that failed too.
    """

    def __init__(
        self,
        ask: Ask,
        protocol: EditProtocol,
        opening: Sequence[ChatCompletionMessageParam],
        draft: Draft,
    ) -> None:
        self._ask = ask
        self._in_blocks = protocol is EditProtocol.BLOCKS
        self._may_switch = protocol is EditProtocol.AUTO
        self._messages = list(opening)
        self._draft = draft
        self._failed_submits: list[str] = []
        self._fruitless = 0
        self._used_tools = False
        self.called: list[str] = []

    def hold(self) -> Proposal:
        """Talk until the model submits; return a proposal with a `failure` if nothing comes of it.

        Raises:
            NoToolsError: the model knows no function calling, and may be asked for blocks.
            EndpointError: the endpoint is down, or what it answers is of no use.
            LimitReached: a cap on tokens or dollars.
        """
        for _ in range(REQUESTS):
            reply = self._ask(self._messages)
            self._messages.append(reply.message())
            submitted = self._answer(reply)
            if submitted is not None:
                return submitted
            if len(self._failed_submits) >= SUBMITS:
                reason = f"{SUBMITS} submits failed: {self._failed_submits[-1]}"
                return self._draft.give_up(reason)
            self._check_use(reply)
        return self._draft.give_up(f"nothing was submitted in {REQUESTS} requests")

    def _answer(self, reply: Reply) -> Proposal | None:
        """Do what the reply asks for, and put the outcomes into the messages."""
        try:
            calls = blocks.parse(reply.text) if self._in_blocks else reply.calls
        except EditError as error:
            self._fruitless += 1
            self._say(f"error: {error}" + (f". {CUT_OFF}" if reply.truncated else ""))
            return None
        if not calls and _GIVE_UP.search(reply.text):
            return self._draft.give_up("the model gave it up")
        self._used_tools |= bool(calls)
        self._fruitless += 1  # until a call works
        answers: list[str] = []
        stopped = ""
        for call in calls:
            if stopped:
                answers.append(stopped)
            elif reply.truncated and call is calls[-1]:  # it may not be whole
                answers.append(f"not carried out. {CUT_OFF}")
            else:
                done, goes_on = self._call(call)
                if isinstance(done, Proposal):
                    return done
                answers.append(done)
                if not goes_on:
                    why = one_line(done, FAILED_LENGTH)
                    stopped = f"not carried out: {call.name} before it failed ({why})"
        self._report(calls, answers, reply)
        return None

    def _call(self, call: ToolCall) -> tuple[str | Proposal, bool]:
        """Return the answer to a call, and whether the calls after it are carried out, too."""
        self.called.append(one_line(call.name, NAME_LENGTH))
        try:
            done = tools.call(self._draft, call.name, call.arguments)
        except UnchangedError as error:  # the notebook is as the calls after it expect
            return f"error: {error}", True
        except ProbeFailedError as error:  # of use, but a submit after it expected it to run
            self._fruitless = 0
            return str(error), False
        except EditError as error:
            if call.name == "submit":
                self._failed_submits.append(str(error))
            return f"error: {error}", False
        self._fruitless = 0
        return done, True

    def _report(self, calls: Sequence[ToolCall], answers: Sequence[str], reply: Reply) -> None:
        answered = list(zip(calls, answers, strict=True))
        if not answered:
            way = "a fenced block as described" if self._in_blocks else "a tool"
            nudge = f"Nothing was done: that reply used no tool. Edit the notebook with {way}, "
            self._say(CUT_OFF if reply.truncated else f"{nudge}then submit.")
        elif self._in_blocks:
            self._say("\n\n".join(f"{call.name}: {answer}" for call, answer in answered))
        else:
            self._messages += [
                {"role": "tool", "content": answer, "tool_call_id": call.id}
                for call, answer in answered
            ]

    def _say(self, text: str) -> None:
        self._messages.append({"role": "user", "content": text})

    def _check_use(self, reply: Reply) -> None:
        """Raise an error if the model does nothing with the tools, or nothing at all."""
        if self._may_switch and not self._used_tools and self._fruitless >= CHATS:
            raise NoToolsError("the model answers without calling a tool")
        if self._fruitless >= FRUITLESS:
            said = reply.refusal or reply.text
            raise EndpointError(
                f"the model made no edit in {FRUITLESS} replies; its last: {said[:200]!r}"
            )
