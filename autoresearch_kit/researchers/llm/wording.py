"""What an endpoint's refusal means, in words that name the setting, and without secrets."""

import re
from datetime import UTC, datetime

import openai

from autoresearch_kit.errors import EndpointError, NoToolsError, RefusedError
from autoresearch_kit.records.text import one_line
from autoresearch_kit.researchers.llm.client import OPENAI_URL
from autoresearch_kit.researchers.llm.secrets import Scrubber
from autoresearch_kit.researchers.model import Model
from autoresearch_kit.tasks.lm.retry import retry_after

SAID = 300
"""Characters of an answer that an error quotes."""

_NO_TOOLS = re.compile(
    r"\b(?:supports?|requires?|unrecognized|lacks?|have)\b.*\b(?:tools?|function.calling)\b"
    r"|\b(?:tools?|function.calling)\b.*(?:support|require|used)",
    re.IGNORECASE,
)
"""There is no status or code for it: Ollama says "does not support tools", and others alike."""


class Wording:
    """Turns what the endpoint of `model` says into errors; `shown` is its address."""

    def __init__(self, model: Model) -> None:
        self._scrubber = Scrubber(model.key)
        self._model = model.research.model
        self.shown = self._scrubber.scrub(model.research.base_url or OPENAI_URL)

    def fault(self, error: openai.APIStatusError, *, with_tools: bool = False) -> EndpointError:
        """What a refused request means; `with_tools`: whether it offered any."""
        status, said = error.status_code, self.said(error)
        if with_tools and status in (400, 404, 422, 500, 501) and _NO_TOOLS.search(said):
            return NoToolsError(f"model '{self._model}' at {self.shown} takes no tools: {said}")
        if status in (401, 403, 404):
            return self.refused(error)
        if error.code == "insufficient_quota":
            return EndpointError(f"{self.shown}: the account's quota is used up: {said}")
        wait = retry_after(error.response.headers, datetime.now(UTC))
        asks = f" and asks to wait {wait:.0f} s" if wait else ""
        hint = "; if the prompt is too long, a smaller --prompt-tokens helps"
        return EndpointError(
            f"{self.shown} answers {status}{asks}: {said}{hint if status in (400, 413) else ''}"
        )

    def refused(self, error: openai.APIStatusError) -> RefusedError:
        """That a setting is wrong, by its name where the status tells which."""
        said = self.said(error)
        if error.status_code == 401:
            return RefusedError(f"{self.shown} refuses the key in OPENAI_API_KEY: {said}")
        if error.status_code == 404:
            return RefusedError(
                f"no model '{self._model}' at {self.shown} (--model, OPENAI_BASE_URL): {said}"
            )
        return RefusedError(
            f"{self.shown} refuses model '{self._model}' (--model) or the key in OPENAI_API_KEY: "
            f"{said}"
        )

    def said(self, error: openai.APIError) -> str:
        """What an error's body says: servers agree on no form for it."""
        body = error.body
        if isinstance(body, dict):
            body = body.get("message") or body
        return self.words(body or error.message)

    def words(self, what: object) -> str:
        """It on one line, cut where it is long."""
        return one_line(self._scrubber.scrub(str(what)), SAID)
