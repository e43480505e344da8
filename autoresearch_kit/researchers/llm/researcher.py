"""The language model as a researcher: a fresh prompt each time, a conversation, a proposal."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from autoresearch_kit.errors import EndpointError, InputError, NoToolsError
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import EditProtocol, Proposal, Provenance, codec
from autoresearch_kit.researchers.base import Model, Researcher, Surroundings, View
from autoresearch_kit.researchers.llm import prompt, tools
from autoresearch_kit.researchers.llm.answer import Reply, estimate_tokens
from autoresearch_kit.researchers.llm.conversation import Conversation
from autoresearch_kit.researchers.llm.draft import Draft, Probes
from autoresearch_kit.researchers.llm.endpoint import Endpoint, host_of
from autoresearch_kit.researchers.llm.scrubber import Scrubber
from autoresearch_kit.researchers.llm.sections import Brief
from autoresearch_kit.researchers.llm.transcript import Transcript
from autoresearch_kit.researchers.spending import Meter

logger = logging.getLogger(__name__)

LESSONS_EVERY = 8  # experiments from one asking for lessons to the next
LESSONS_LENGTH = 3_000  # characters of them that are kept


class LLMResearcher(Researcher):
    """Asks a language model for each experiment; may be used from several threads.

    Each request raises LimitReached where a cap on tokens or dollars might not hold.
    """

    name = "llm"
    slow = True

    def __init__(self, around: Surroundings, model: Model, meter: Meter) -> None:
        self._around = around
        self._research = model.research
        self._endpoint = Endpoint(model)
        self.meter = meter
        self._scrubber = Scrubber(model.key)
        self._protocol = model.research.protocol
        self._may_probe = around.probe is not None and model.research.probes > 0
        self._tools = tools.offered(may_probe=self._may_probe)

    def close(self) -> None:
        """Hang up on requests that are under way, counted as far as they came, and make no more."""
        self._endpoint.close()

    def propose(self, view: View) -> Proposal:
        """Return the model's next experiment; one with a `failure` if nothing came of its idea."""
        brief = prompt.brief_of(view, self._around)
        lessons = self._lessons(brief)
        if lessons:
            brief = replace(brief, view=replace(view, lessons=lessons))
        text = prompt.proposal_prompt(brief, self._research.prompt_tokens)
        return self._converse(view, text, self._begun(brief, lessons), view.notebook, probed=0)

    def repair(self, view: View, crashed: Proposal) -> Proposal | None:
        """Return the proposal as mended, in the words of that submit; None if it is given up."""
        ran = view.notebook.apply(crashed.edits, crashed.constants)
        brief = prompt.brief_of(view, self._around)
        text = prompt.repair_prompt(brief, crashed, ran, self._research.prompt_tokens)
        probed = len(self._around.probes_made(view.number))
        mended = self._converse(view, text, crashed, ran, probed)
        if mended.failure:
            logger.warning("experiment %d is not repaired: %s", view.number, mended.failure)
            return None
        return mended

    def carry_over(self, view: View, prepared: Proposal) -> Proposal | None:
        """Return the idea of `prepared` on the best of `view`; None if the model gives it up."""
        if prepared.parent is None:
            return None
        old = TrainNotebook.parse(self._around.history.source(prepared.parent))
        brief = prompt.brief_of(view, self._around)
        text = prompt.carry_over_prompt(brief, prepared, old, self._research.prompt_tokens)
        begun, probed = self._begun(brief, prepared.lessons), self._around.probes_made(view.number)
        begun = replace(begun, provenance=prepared.provenance)
        carried = self._converse(view, text, begun, view.notebook, len(probed))
        if carried.failure:
            given_up = "experiment %d: its first idea is given up: %s"
            logger.info(given_up, view.number, carried.failure)
            return None
        return carried

    def _begun(self, brief: Brief, lessons: str) -> Proposal:
        """Return the proposal that a conversation about the best's notebook begins with.

        The program.md that it is made under is kept, for the record to have its text.
        """
        digest = prompt.digest(brief.directive)
        self._around.workspace.keep_directive(digest, brief.directive)
        return Proposal(
            number=brief.view.number,
            parent=brief.view.best,
            researcher=self.name,
            idea="an idea that was never submitted",
            hypothesis="",
            directive=digest,
            guidance=brief.view.guidance,
            model=self._research.model,
            lessons=lessons,
        )

    def _converse(
        self, view: View, text: str, begun: Proposal, start: TrainNotebook, probed: int
    ) -> Proposal:
        """Talk about the draft `start`; `probed` of its probes were made before."""
        probes = None
        if self._around.probe is not None and self._may_probe:
            left = max(0, self._research.probes - probed)
            probes = Probes(partial(self._around.probe, view.number), left)
        while True:
            protocol = self._protocol  # another thread may change it meanwhile
            in_blocks = protocol is EditProtocol.BLOCKS
            opening = prompt.opening(
                protocol, self._around.settings.task, text, may_probe=self._may_probe
            )
            ask = partial(
                self._ask, view, self._transcript(view.number), () if in_blocks else self._tools
            )
            draft = Draft(view, self._around.history, begun, start, probes)
            try:
                conversation = Conversation(ask, protocol, opening, draft)
                return self._with_provenance(conversation.hold(), opening, conversation.called)
            except NoToolsError as error:
                if protocol is not EditProtocol.AUTO:
                    raise EndpointError(
                        f"{error}; the setting --protocol blocks (or auto) works without tools"
                    ) from error
                text_only = "experiment %d: %s; edits come as text from now on"
                logger.warning(text_only, view.number, error)
                self._protocol = EditProtocol.BLOCKS  # so a second try is the last

    def _with_provenance(
        self, made: Proposal, opening: Sequence[ChatCompletionMessageParam], called: Sequence[str]
    ) -> Proposal:
        """Return the proposal with this conversation added to those that led to it."""
        before = made.provenance
        prompts, tools = (before.prompts, before.tools) if before else ((), ())
        prompt_digest = hashlib.sha256(codec.compact(opening)).hexdigest()
        called = [self._scrubber.scrub(name) for name in called]
        provenance = Provenance(
            host_of(self._research),
            (*prompts, prompt_digest),
            (*tools, *called),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return replace(made, provenance=provenance)

    def _lessons(self, brief: Brief) -> str:
        """Return what the model has learnt, if it is time to ask; else nothing."""
        view = brief.view
        if view.number % LESSONS_EVERY:
            return ""
        text = prompt.lessons_prompt(brief, self._research.prompt_tokens)
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": text}]
        reply = self._ask(view, self._transcript(view.number), (), messages)
        return reply.text.strip()[:LESSONS_LENGTH]

    def _transcript(self, number: int) -> Transcript:
        return Transcript(self._around.workspace.transcript(number), self._scrubber)

    def _ask(
        self,
        view: View,
        transcript: Transcript,
        offered: Sequence[ChatCompletionFunctionToolParam],
        messages: Sequence[ChatCompletionMessageParam],
    ) -> Reply:
        """Return the endpoint's reply, counted and written down before anything is made of it."""
        transcript.add_sent(messages)
        sent = codec.compact((messages, offered)).decode()
        count = partial(self.meter.add, view.number)
        allow_another = partial(self.meter.check, view.experiments)
        with self.meter.request(view.experiments, estimate_tokens(sent)):
            try:
                reply = self._endpoint.ask(messages, offered, count, allow_another)
            except EndpointError as error:
                transcript.note(str(error))
                raise
        transcript.add_reply(reply)
        return reply


def make(around: Surroundings, model: Model | None, meter: Meter) -> LLMResearcher:
    """Make the researcher that asks this model; InputError if there is none."""
    if model is None:
        raise InputError("researcher 'llm' needs a language model; set OPENAI_BASE_URL or a key")
    return LLMResearcher(around, model, meter)
