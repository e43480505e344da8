"""One proposal, asked for: the model edits a draft by tools until it submits, or is given up.

The calls of one answer are carried out in order, up to the first that fails: what the model wrote
after it, a submit above all, took it for done.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoresearch_kit.errors import EditError, EndpointError, InputError, NoToolsError
from autoresearch_kit.records import EditProtocol, codec
from autoresearch_kit.records.text import one_line
from autoresearch_kit.researchers.llm import blocks, tools
from autoresearch_kit.researchers.llm.draft import Draft, Submitted, UnchangedError
from autoresearch_kit.researchers.llm.messages import Message, Reply, Role, ToolCall
from autoresearch_kit.researchers.llm.probes import ProbeFailedError

SUBMITS = 3
"""Submits that may fail before the idea is given up."""

REQUESTS = 40
"""Requests in one conversation."""

FRUITLESS = 4
"""Replies in a row without one call that worked, before the model is taken to be of no use now."""

CHATS = 2
"""First replies without a call, after which a model is taken to know no function calling."""

FAILED_LENGTH = 200
"""Characters of a failure that the calls behind it repeat."""

_GIVE_UP = re.compile(r"^\W*give up\W*$", re.IGNORECASE | re.MULTILINE)

CUT_OFF = "Your reply was cut off at its length limit. Make smaller edits, one at a time."

Ask = Callable[[Sequence[Message], EditProtocol], Reply]
"""Send the messages, and the tools if the protocol has them; count and write down the reply."""


@dataclass(frozen=True)
class GivenUp:
    """The model could not make its idea into something that can be run."""

    idea: str
    reason: str


class Conversation:
    """The messages so far, and the draft they are about."""

    def __init__(self, ask: Ask, protocol: EditProtocol, opening: Sequence[Message], draft: Draft):
        self._ask = ask
        self._blocks = protocol is EditProtocol.BLOCKS
        self._may_switch = protocol is EditProtocol.AUTO
        self._messages = list(opening)
        self._draft = draft
        self._failed_submits: list[str] = []
        self._idea = ""
        self._fruitless = 0
        self._worked = False

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
                return GivenUp(self._idea, f"{SUBMITS} submits failed: {self._failed_submits[-1]}")
            self._check_use(reply)
        return GivenUp(self._idea, f"nothing was submitted in {REQUESTS} requests")

    def _answer(self, reply: Reply) -> Submitted | GivenUp | None:
        """Do what the reply asks for, and put the outcomes into the messages."""
        self._messages.append(Message(Role.ASSISTANT, reply.text, reply.calls))
        try:
            calls = blocks.parse(reply.text) if self._blocks else list(reply.calls)
        except EditError as error:
            self._fruitless += 1
            self._say(f"error: {error}" + (f". {CUT_OFF}" if reply.truncated else ""))
            return None
        if not calls and _GIVE_UP.search(reply.text):
            return GivenUp(self._idea, "the model gave it up")
        done = self._carry_out(calls, cut=reply.truncated)
        if isinstance(done, Submitted):
            return done
        self._worked |= bool(calls)
        worked = any(outcome.worked for outcome in done)
        self._fruitless = 0 if worked else self._fruitless + 1
        self._report(list(zip(calls, done, strict=True)), reply)
        return None

    def _carry_out(self, calls: Sequence[ToolCall], *, cut: bool) -> "Submitted | list[_Outcome]":
        """Carry the calls out up to the first that fails; `cut`: the last may not be whole."""
        outcomes: list[_Outcome] = []
        for at, call in enumerate(calls):
            if cut and call is calls[-1]:
                return [*outcomes, _Outcome(False, f"not carried out. {CUT_OFF}")]
            outcome = self._call(call)
            if isinstance(outcome, Submitted):
                return outcome
            outcomes.append(outcome)
            if outcome.stops:
                return outcomes + [_behind(call, outcome)] * (len(calls) - at - 1)
        return outcomes

    def _call(self, call: ToolCall) -> "Submitted | _Outcome":
        try:
            done = tools.call(self._draft, call.name, call.arguments)
        except UnchangedError as error:  # the notebook is as the calls behind it expect
            return _Outcome(False, f"error: {error}", stops=False)
        except ProbeFailedError as error:  # of use, but a submit behind it took it for fine
            return _Outcome(True, str(error), stops=True)
        except EditError as error:
            if call.name == "submit":
                self._failed_submits.append(str(error))
                self._idea = _idea(call.arguments) or self._idea
            return _Outcome(False, f"error: {error}", stops=True)
        return done if isinstance(done, Submitted) else _Outcome(True, done)

    def _report(self, outcomes: "Sequence[tuple[ToolCall, _Outcome]]", reply: Reply) -> None:
        if not outcomes:
            self._say(_nudge(reply, blocks=self._blocks))
        elif self._blocks:
            self._say("\n\n".join(f"{call.name}: {done.text}" for call, done in outcomes))
        else:
            self._messages += [
                Message(Role.TOOL, done.text, (), call.id) for call, done in outcomes
            ]

    def _say(self, text: str) -> None:
        self._messages.append(Message(Role.USER, text))

    def _check_use(self, reply: Reply) -> None:
        if not self._blocks and not self._worked and self._may_switch and self._fruitless >= CHATS:
            raise NoToolsError("the model answers without calling a tool")
        if self._fruitless >= FRUITLESS:
            said = reply.refusal or reply.text
            raise EndpointError(
                f"the model made no edit in {FRUITLESS} replies; its last: {said[:200]!r}"
            )


@dataclass(frozen=True)
class _Outcome:
    """What a call is answered; `stops`: whether those behind it are not carried out."""

    worked: bool
    text: str
    stops: bool = False


def _behind(failed: ToolCall, outcome: _Outcome) -> _Outcome:
    """What a call is answered that came after one that failed."""
    why = one_line(outcome.text, FAILED_LENGTH)
    return _Outcome(False, f"not carried out: {failed.name} before it failed ({why})")


@dataclass(frozen=True)
class _Idea:
    idea: str = ""


def _idea(arguments: str) -> str:
    """The idea in a submit that failed, if it can be read."""
    try:
        return codec.decode(_Idea, arguments).idea
    except InputError:
        return ""


def _nudge(reply: Reply, *, blocks: bool) -> str:
    if reply.truncated:
        return CUT_OFF
    way = "a fenced block as described" if blocks else "a tool"
    return f"Nothing was done: that reply used no tool. Edit the notebook with {way}, then submit."
