"""What an error's words mean: servers agree on neither status nor code for the same trouble.

Read in the answers of OpenAI, Ollama, vLLM, llama.cpp, LM Studio, OpenRouter, LiteLLM and Gemini.
"""

import re

_ON = r"(?:[^.]|\.(?=\S))*"
"""The rest of a sentence; the dot in `llama3.2` ends none."""

_TOOLS = r"\b(?:tools?|functions?)\b"

_NO_TOOLS = re.compile(
    r"(?:support|enable|allow|requires|unknown|unrecognized|invalid|lacks?|does(?: not|n.t) have)"
    rf"{_ON}{_TOOLS}"
    rf"|{_TOOLS}{_ON}(?:(?:not|n.t) (?:\w+ )?(?:support|allow|enabl|permit|available|used)"
    r"|unsupported|unknown|unrecognized|requires)",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    rf"model{_ON}(?:not (?:found|exist|valid|available)|doesn.t exist|unknown|invalid)"
    rf"|(?:unknown|invalid|no such) model|not a valid model|no models? loaded|access to model",
    re.IGNORECASE,
)
_NO_KEY = re.compile(
    r"(?:invalid|incorrect|missing|no) api.key"
    rf"|api.key{_ON}(?:not valid|invalid|incorrect|missing)",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context (?:length|window|size)|maximum context|too (?:long|large|many tokens)", re.IGNORECASE
)


def no_tools(status: int, said: str) -> bool:
    """Whether it says that tools are the trouble; llama.cpp does so with a 500."""
    told = bool(_NO_TOOLS.search(said)) and not too_long(said)
    return status in (400, 404, 422, 500, 501) and told


def no_model(status: int, said: str) -> bool:
    """Whether it says that there is no such model, or no such address."""
    return status == 404 or (status in (400, 403, 422) and bool(_NO_MODEL.search(said)))


def no_key(status: int, said: str) -> bool:
    """Whether it refuses the key."""
    return status in (401, 403) or (status == 400 and bool(_NO_KEY.search(said)))


def no_quota(status: int, body: str) -> bool:
    """Whether the account has nothing left: OpenAI says so with the status of a rate limit."""
    return status == 429 and "insufficient_quota" in body


def bad_luck(status: int, body: str) -> bool:
    """Whether the model's own call could not be read (Groq), which it may do better next time."""
    return status == 400 and "tool_use_failed" in body


def too_long(said: str) -> bool:
    """Whether it says that the prompt is too long."""
    return bool(_TOO_LONG.search(said))
