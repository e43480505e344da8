"""Options of the language model: those given at this start, or at the last."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from autoresearch_kit.campaign.options import check_bounds, flag
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import EditProtocol, Limits, Prices, Research, Settings
from autoresearch_kit.researchers import Model

KEY = "OPENAI_API_KEY"
BASE_URL = "OPENAI_BASE_URL"

NO_ENDPOINT = f"neither {KEY} nor {BASE_URL} is set, so no language model is asked: optuna proposes"


@dataclass(frozen=True)
class ModelOptions:
    """Options that the user gave; None where nothing was given."""

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
    options: ModelOptions,
    environment: Mapping[str, str],
) -> Model | None:
    """Return the model of a campaign whose researcher is `llm`; None without an endpoint.

    Raises:
        InputError: something is missing or out of bounds; the message names the setting.
    """
    if settings.researcher != "llm":
        _refuse_model(settings.researcher, options, limits)
        return None
    key, base_url = environment.get(KEY, "").strip(), environment.get(BASE_URL, "").strip()
    research = _research(workspace.research(), options, base_url)
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


def _refuse_model(researcher: str, options: ModelOptions, limits: Limits) -> None:
    given = {**vars(options), "max_tokens": limits.tokens, "max_usd": limits.usd}
    for name, value in given.items():
        if value is not None:
            raise InputError(
                f"{flag(name)} is about a language model, and this campaign's researcher is "
                f"{researcher}; say --researcher llm under a new tag"
            )


def _research(last: Research | None, options: ModelOptions, base_url: str) -> Research:
    """Return the options: those given now, else those of the last start, else the defaults."""
    was = last or Research(model="")
    check_bounds(vars(options))
    given = {name: value for name, value in vars(options).items() if value is not None}
    settings = {name: value for name, value in given.items() if name in vars(was)}
    prices = _prices(was.prices, options)
    return replace(was, **settings, base_url=base_url or was.base_url, prices=prices)


def _prices(last: Prices | None, options: ModelOptions) -> Prices | None:
    if options.usd_in is None and options.usd_out is None:
        return last
    if options.usd_in is None or options.usd_out is None:
        raise InputError("a model has two prices; say both: --usd-in and --usd-out")
    cached = options.usd_in if options.usd_cached is None else options.usd_cached
    return Prices(options.usd_in, options.usd_out, cached)
