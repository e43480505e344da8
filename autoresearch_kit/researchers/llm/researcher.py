"""The language model as a researcher: a fresh prompt each time, a conversation, a proposal."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from autoresearch_kit.errors import EndpointError, InputError, NoToolsError
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import EditProtocol, Proposal
from autoresearch_kit.researchers.base import Researcher, Surroundings, View
from autoresearch_kit.researchers.llm import asked, prompt, tools
from autoresearch_kit.researchers.llm.conversation import Conversation, GivenUp
from autoresearch_kit.researchers.llm.draft import Draft, Submitted
from autoresearch_kit.researchers.llm.endpoint import Endpoint
from autoresearch_kit.researchers.llm.messages import Message, Reply, Role, Tool
from autoresearch_kit.researchers.llm.probes import Probes
from autoresearch_kit.researchers.llm.secrets import Scrubber
from autoresearch_kit.researchers.llm.transcript import Transcript
from autoresearch_kit.researchers.model import Model
from autoresearch_kit.spending import Meter

logger = logging.getLogger(__name__)

LESSONS_EVERY = 8
"""Experiments from one asking for lessons to the next."""

LESSONS_LENGTH = 3_000
"""Characters of them that are kept."""


class LLMResearcher(Researcher):
    """Asks a language model for each experiment; may be used from two threads."""

    name = "llm"
    slow = True

    def __init__(self, around: Surroundings, model: Model, meter: Meter) -> None:
        self._around = around
        self._research = model.research
        self._endpoint = Endpoint(model)
        self.meter = meter
        self._scrubber = Scrubber(model.key)
        self._protocol = model.research.protocol
        may_probe = around.probe is not None and model.research.probes > 0
        self._tools = tools.TOOLS if may_probe else tools.WITHOUT_PROBE

    def close(self) -> None:
        """Hang up on requests that are under way, counted as far as they came, and make no more."""
        self._endpoint.close()

    def propose(self, view: View) -> Proposal:
        """The model's next experiment; one with a `failure` if nothing came of its idea.

        Raises:
            EndpointError: the endpoint is down, or of no use now.
            LimitReached: a cap on tokens or dollars.
        """
        brief = asked.brief(self._around)
        lessons = self._lessons(view, brief)
        if lessons:
            view = replace(view, lessons=lessons)
        text = prompt.proposal_prompt(
            view, brief, self._around.history, self._research.prompt_tokens
        )
        outcome = self._converse(view, text, view.notebook, self._probes(view, 0))
        return self._proposal(view, brief, outcome, lessons)

    def repair(self, view: View, crashed: Proposal) -> Proposal | None:
        """Return the proposal as mended, in the words of that submit; None if it is given up.

        Raises:
            EndpointError: the endpoint is down, or of no use now.
            LimitReached: a cap on tokens or dollars.
        """
        ran = view.notebook.apply(crashed.edits, crashed.constants)
        brief, most = asked.brief(self._around), self._research.prompt_tokens
        text = prompt.repair_prompt(view, brief, crashed, ran, most)
        outcome = self._converse(view, text, ran, self._probes_left(view))
        if isinstance(outcome, GivenUp):
            logger.warning("experiment %d is not repaired: %s", view.number, outcome.reason)
            return None
        return _submitted(crashed, outcome)

    def carry_over(self, view: View, prepared: Proposal) -> Proposal | None:
        """The idea of `prepared` on the best of `view`; None if the model gives it up.

        Raises:
            EndpointError: the endpoint is down, or of no use now.
            LimitReached: a cap on tokens or dollars.
        """
        if prepared.parent is None:
            return None
        old = TrainNotebook.parse(self._around.history.source(prepared.parent))
        brief, most = asked.brief(self._around), self._research.prompt_tokens
        text = prompt.carry_over_prompt(view, brief, prepared, old, most)
        outcome = self._converse(view, text, view.notebook, self._probes_left(view))
        if isinstance(outcome, GivenUp):
            logger.info(
                "experiment %d: its first idea is given up: %s", view.number, outcome.reason
            )
            return None
        return self._proposal(view, brief, outcome, prepared.lessons)

    def _proposal(
        self, view: View, brief: prompt.Brief, outcome: Submitted | GivenUp, lessons: str
    ) -> Proposal:
        made = Proposal(
            number=view.number,
            parent=view.best,
            researcher=self.name,
            idea=outcome.idea or "an idea that was never submitted",
            hypothesis="",
            directive=asked.digest(brief.directive),
            guidance=view.guidance,
            model=self._research.model,
            lessons=lessons,
        )
        if isinstance(outcome, GivenUp):
            return replace(made, failure=outcome.reason)
        return _submitted(made, outcome)

    def _probes_left(self, view: View) -> Probes | None:
        """Return what is left of a proposal's probes after those that were made for it."""
        return self._probes(view, len(self._around.probes_made(view.number)))

    def _probes(self, view: View, made: int) -> Probes | None:
        """Return the probes of a conversation where so many were made before; None if none are."""
        probe = self._around.probe
        if probe is None or not self._research.probes:
            return None
        return Probes(partial(probe, view.number), max(0, self._research.probes - made))

    def _converse(
        self, view: View, text: str, start: TrainNotebook, probes: Probes | None
    ) -> Submitted | GivenUp:
        """One conversation; once more by blocks if it turns out that the model knows no tools."""
        try:
            return self._hold(view, text, start, probes, self._protocol)
        except NoToolsError as error:
            if self._protocol is not EditProtocol.AUTO:
                raise EndpointError(
                    f"{error}; the setting --protocol blocks (or auto) works without tools"
                ) from error
            logger.warning("experiment %d: %s; edits come as text from now on", view.number, error)
            self._protocol = EditProtocol.BLOCKS
        return self._hold(view, text, start, probes, self._protocol)

    def _hold(
        self,
        view: View,
        text: str,
        start: TrainNotebook,
        probes: Probes | None,
        protocol: EditProtocol,
    ) -> Submitted | GivenUp:
        opening = asked.opening(protocol, text, may_probe=probes is not None)
        draft = Draft(view, self._around.history, start, probes)
        return Conversation(self._line(view).ask, protocol, opening, draft).hold()

    def _lessons(self, view: View, brief: prompt.Brief) -> str:
        """What the model has learnt, if it is time to ask; else nothing."""
        if view.number % LESSONS_EVERY:
            return ""
        text = prompt.lessons_prompt(
            view, brief, self._around.history, self._research.prompt_tokens
        )
        reply = self._line(view).ask([Message(Role.USER, text)], EditProtocol.BLOCKS)
        return reply.text.strip()[:LESSONS_LENGTH]

    def _line(self, view: View) -> "_Line":
        path = self._around.workspace.transcript(view.number)
        transcript = Transcript(path, self._scrubber)
        return _Line(self._endpoint, self.meter, transcript, view, self._tools)


def make(around: Surroundings, model: Model | None, meter: Meter) -> LLMResearcher:
    """Make the researcher that asks this model.

    Raises:
        InputError: there is none.
    """
    if model is None:
        raise InputError("researcher 'llm' needs a language model; set OPENAI_BASE_URL or a key")
    return LLMResearcher(around, model, meter)


def _submitted(proposal: Proposal, outcome: Submitted) -> Proposal:
    """Return the proposal with the words and the edits of a submit."""
    return replace(
        proposal,
        idea=outcome.idea,
        hypothesis=outcome.hypothesis,
        category=outcome.category,
        edits=outcome.edits,
        constants=outcome.constants,
    )


class _Line:
    """The endpoint, with the meter and the transcript running, about one experiment."""

    def __init__(
        self,
        endpoint: Endpoint,
        meter: Meter,
        transcript: Transcript,
        view: View,
        offered: Sequence[Tool],
    ):
        self._endpoint = endpoint
        self._meter = meter
        self._transcript = transcript
        self._view = view
        self._tools = offered
        self._written = 0

    def ask(self, messages: Sequence[Message], protocol: EditProtocol) -> Reply:
        """The endpoint's reply, counted and written down before anything is made of it."""
        self._write(messages)
        text = "".join(message.text for message in messages)
        offered = () if protocol is EditProtocol.BLOCKS else self._tools
        count = partial(self._meter.add, self._view.number)
        allow_another = partial(self._meter.check, self._view.experiments)
        with self._meter.request(self._view.experiments, prompt.estimate_tokens(text)):
            try:
                reply = self._endpoint.ask(messages, offered, count, allow_another)
            except EndpointError as error:
                self._transcript.note(str(error))
                raise
        self._transcript.add_reply(reply)
        return reply

    def _write(self, messages: Sequence[Message]) -> None:
        """What is new since the last request; replies were written when they came."""
        for message in messages[self._written :]:
            if message.role is not Role.ASSISTANT:
                self._transcript.add(message)
        self._written = len(messages)
