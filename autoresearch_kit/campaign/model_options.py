"""Options of the language model: those given at this start, or at the last."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import EditProtocol, Limits, Prices, Research, Settings
from autoresearch_kit.researchers import Model

KEY = "OPENAI_API_KEY"
BASE_URL = "OPENAI_BASE_URL"

LEAST_PROMPT = 4_000
"""Tokens below which a prompt could not say what is needed."""

MOST_PROBES = 10
"""Probes of a proposal: more would take longer than what they prepare."""

T = TypeVar("T")

NO_ENDPOINT = f"neither {KEY} nor {BASE_URL} is set, so no language model is asked: optuna proposes"


@dataclass(frozen=True)
class ModelWishes:
    """Wishes of the user; None where nothing was said."""

    model: str | None = None
    protocol: EditProtocol | None = None
    prompt_tokens: int | None = None
    optuna_every: int | None = None
    fallback: bool | None = None
    usd_in: float | None = None
    usd_out: float | None = None
    usd_cached: float | None = None
    probes: int | None = None


def find_model(
    workspace: Workspace,
    settings: Settings,
    limits: Limits,
    wishes: ModelWishes,
    environment: Mapping[str, str],
) -> Model | None:
    """Return the model of a campaign whose researcher is `llm`; None without an endpoint.

    Raises:
        InputError: something is missing or out of bounds; the message names the setting.
    """
    if settings.researcher != "llm":
        _refuse_model(settings.researcher, wishes, limits)
        return None
    key, base_url = environment.get(KEY, "").strip(), environment.get(BASE_URL, "").strip()
    research = _research(workspace.research(), wishes, base_url)
    if not key and not research.base_url:
        return None
    if not research.model:
        raise InputError("no language model is named; say which one: --model NAME")
    if limits.usd is not None and research.prices is None:
        raise InputError(
            "--max-usd needs the model's prices, in US dollars per million tokens: "
            "--usd-in and --usd-out, and --usd-cached where cached input is cheaper"
        )
    return Model(research, key)


def _refuse_model(researcher: str, wishes: ModelWishes, limits: Limits) -> None:
    asked = [name for name, value in vars(wishes).items() if value is not None]
    asked += [f"max_{name}" for name in ("tokens", "usd") if getattr(limits, name) is not None]
    if asked:
        flag = "--" + asked[0].replace("_", "-")
        raise InputError(
            f"{flag} is about a language model, and this campaign's researcher is {researcher}; "
            "say --researcher llm under a new tag"
        )


def _research(last: Research | None, wishes: ModelWishes, base_url: str) -> Research:
    """Return the options: those given now, else those of the last start, else the defaults."""
    was = last or Research(model="")
    _check(wishes)
    return Research(
        model=_first(wishes.model, was.model),
        base_url=base_url or was.base_url,
        protocol=_first(wishes.protocol, was.protocol),
        prompt_tokens=_first(wishes.prompt_tokens, was.prompt_tokens),
        optuna_every=_first(wishes.optuna_every, was.optuna_every),
        fallback=_first(wishes.fallback, was.fallback),
        prices=_prices(was.prices, wishes),
        probes=_first(wishes.probes, was.probes),
    )


def _first(said: T | None, was: T) -> T:
    return was if said is None else said


def _check(wishes: ModelWishes) -> None:
    if wishes.prompt_tokens is not None and wishes.prompt_tokens < LEAST_PROMPT:
        raise InputError(
            f"--prompt-tokens is {wishes.prompt_tokens}; it must be at least {LEAST_PROMPT}"
        )
    if wishes.optuna_every is not None and (wishes.optuna_every < 0 or wishes.optuna_every == 1):
        raise InputError(
            f"--optuna-every is {wishes.optuna_every}; it must be 2 or more, or 0 for never"
        )
    if wishes.probes is not None and not 0 <= wishes.probes <= MOST_PROBES:
        raise InputError(
            f"--probes is {wishes.probes}; it must be from 0, for none, to {MOST_PROBES}"
        )
    for name in ("usd_in", "usd_out", "usd_cached"):
        price = getattr(wishes, name)
        if price is not None and not 0 <= price < 100_000:
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{flag} is {price:g}; it must be US dollars per million tokens")


def _prices(last: Prices | None, wishes: ModelWishes) -> Prices | None:
    if wishes.usd_in is None and wishes.usd_out is None:
        return last
    if wishes.usd_in is None or wishes.usd_out is None:
        raise InputError("a model has two prices; say both: --usd-in and --usd-out")
    cached = wishes.usd_in if wishes.usd_cached is None else wishes.usd_cached
    return Prices(wishes.usd_in, wishes.usd_out, cached)
