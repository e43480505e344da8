"""Turns what an endpoint answers into errors that name the setting and hold no secret."""

import re
from urllib.parse import urlsplit

import openai

from autoresearch_kit.errors import EndpointError, NoToolsError, RefusedError
from autoresearch_kit.records.text import one_line
from autoresearch_kit.researchers.base import Model
from autoresearch_kit.researchers.llm.scrubber import Scrubber

OPENAI_URL = "https://api.openai.com/v1"

QUOTED_LENGTH = 300  # characters of an answer that an error quotes
_NEVER_IN_A_KEY = re.compile(r"[^!-~]")  # a character that no header can hold, and no key has
_NO_TOOLS = re.compile(
    r"\b(?:supports?|requires?|unrecognized|lacks?|have)\b.*\b(?:tools?|function.calling)\b"
    r"|\b(?:tools?|function.calling)\b.*(?:support|require|used)",
    re.IGNORECASE,
)
"""There is no status or code for it: Ollama says "does not support tools", and others alike."""


class Faults:
    """Says in plain words what is wrong with the endpoint of `model`; `shown` is its address.

    Raises:
        RefusedError: the address or the key has a form that can't be right.
    """

    def __init__(self, model: Model) -> None:
        self._scrubber = Scrubber(model.key)
        self._model = model.research.model
        self.shown = self._scrubber.scrub(model.research.base_url or OPENAI_URL)
        try:
            parts = urlsplit(model.research.base_url or OPENAI_URL)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise RefusedError(
                f"OPENAI_BASE_URL is '{self.shown}'; it must be an address such as {OPENAI_URL} "
                "or http://localhost:11434/v1"
            )
        if _NEVER_IN_A_KEY.search(model.key):
            raise RefusedError(
                "OPENAI_API_KEY holds a character that no key has (a space, the end of a line, "
                "a typographic quote); copy it again"
            )

    def fault(self, error: openai.APIStatusError, *, with_tools: bool = False) -> EndpointError:
        """Return what a refused request means; `with_tools` if it offered any."""
        status, said, model = error.status_code, self.said(error), self._model
        if with_tools and status in (400, 404, 422, 500, 501) and _NO_TOOLS.search(said):
            return NoToolsError(f"model '{model}' at {self.shown} takes no tools: {said}")
        if status in (401, 403, 404):
            return self.refused(error)
        if error.code == "insufficient_quota":
            return EndpointError(f"{self.shown}: the account's quota is used up: {said}")
        wait = one_line(error.response.headers.get("retry-after", ""), 40)
        asks = f" (retry-after: {wait})" if wait else ""
        hint = "; if the prompt is too long, a smaller --prompt-tokens helps"
        return EndpointError(
            f"{self.shown} answers {status}{asks}: {said}{hint if status in (400, 413) else ''}"
        )

    def refused(self, error: openai.APIStatusError) -> RefusedError:
        """Return an error that names the setting which the status says is wrong."""
        shown, model = self.shown, self._model
        settings = {
            401: f"{shown} refuses the key in OPENAI_API_KEY",
            404: f"no model '{model}' at {shown} (--model, OPENAI_BASE_URL)",
        }
        other = f"{shown} refuses model '{model}' (--model) or the key in OPENAI_API_KEY"
        return RefusedError(f"{settings.get(error.status_code, other)}: {self.said(error)}")

    def said(self, error: openai.APIError) -> str:
        """Return what an error's body says: servers agree on no form for it."""
        body = error.body
        if isinstance(body, dict):
            body = body.get("message") or body
        return self.words(body or error.message)

    def words(self, what: object) -> str:
        """Return `what` on one line, cut where it is long, without secrets."""
        return one_line(self._scrubber.scrub(str(what)), QUOTED_LENGTH)
