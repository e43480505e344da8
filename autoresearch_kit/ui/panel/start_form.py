"""The form with which a campaign is started."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import ipywidgets as widgets

from autoresearch_kit.campaign.model_options import BASE_URL, KEY, ModelWishes
from autoresearch_kit.campaign.options import Wishes, settle_limits
from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Errands, Limits, Research, Rule, Settings

T = TypeVar("T")

NO_ERRANDS = Errands()

WIDE = {"description_width": "140px"}


@dataclass(frozen=True)
class Start:
    """The choices made in the form. `environment` has the key and the address, if typed.

    `copy_to` and `webhook` are as `settle_errands` takes them.
    """

    wishes: Wishes
    asked: ModelWishes
    limits: Limits
    copy_to: str
    webhook: str | None
    environment: dict[str, str]


class StartForm:
    """Fields for researcher, budget, limits and language model; empty ones have their defaults.

    A secret is removed from its field as soon as it is complete, so that no saved notebook has it.
    """

    def __init__(self) -> None:
        self.researcher = widgets.Dropdown(
            description="researcher",
            options=[("optuna: no key needed", "optuna"), ("llm: a language model", "llm")],
            style=WIDE,
        )
        self.train_seconds = _field("training seconds", "300")
        self.dataset = _field("corpus", "stdlib; or climbmix, tinystories, a path")
        self.rule = widgets.Dropdown(
            description="verdict",
            options=[
                ("careful: repeats what may be luck", Rule.CAREFUL),
                ("greedy: one run against one", Rule.GREEDY),
            ],
            style=WIDE,
        )
        self.experiments = _field("end after experiments", "no limit")
        self.hours = _field("end after hours", "no limit")
        self.model = _field("model", "its name, for the endpoint")
        self.base_url = _field("endpoint", "OpenAI's; or http://127.0.0.1:11434/v1")
        self.key = _secret("API key", "taken from OPENAI_API_KEY if empty")
        self.tokens = _field("end after tokens", "no limit")
        self.usd = _field("end after USD", "no limit")
        self.usd_in = _field("USD per M in", "unknown")
        self.usd_out = _field("USD per M out", "unknown")
        self.usd_cached = _field("USD per M cached", "as in")
        self.copy_to = _field("copy to folder", "nowhere")
        self.webhook = _secret("webhook", "no notices")
        self._secrets = {self.key: "", self.webhook: ""}
        self._llm = _rows(
            (self.model, self.base_url, self.key),
            (self.tokens, self.usd),
            (self.usd_in, self.usd_out, self.usd_cached),
        )
        self.box = widgets.VBox(
            [
                *_rows(
                    (self.researcher, self.train_seconds, self.dataset),
                    (self.rule, self.experiments, self.hours),
                    (self.copy_to, self.webhook),
                ),
                *self._llm,
            ]
        )
        self.researcher.observe(lambda _: self._show_llm(), "value")
        self.key.observe(lambda _: self._take(self.key), "value")
        self.webhook.observe(lambda _: self._take(self.webhook), "value")
        self._show_llm()

    def fill(
        self,
        settings: Settings | None,
        research: Research | None,
        limits: Limits | None,
        *,
        dataset: str = "",
        errands: Errands = NO_ERRANDS,
    ) -> None:
        """Show what the campaign was started with; what scores depend on can't be changed."""
        fixed = (self.researcher, self.train_seconds, self.dataset, self.rule)
        for field in fixed:
            field.disabled = settings is not None
        self.researcher.value = settings.researcher if settings else "optuna"
        self.train_seconds.value = f"{settings.train_seconds:g}" if settings else ""
        self.dataset.value = settings.dataset if settings else dataset
        self.rule.value = settings.rule if settings else Rule.CAREFUL
        self.model.value = research.model if research else ""
        self.base_url.value = research.base_url if research else ""
        prices = research.prices if research else None
        self.usd_in.value = f"{prices.input:g}" if prices else ""
        self.usd_out.value = f"{prices.output:g}" if prices else ""
        self.usd_cached.value = f"{prices.cached:g}" if prices else ""
        self.copy_to.value = errands.copy_to
        if errands.webhook:
            self.webhook.placeholder = "as before, if empty"
        was = limits or Limits()
        for field, limit in (
            (self.experiments, was.experiments),
            (self.hours, was.hours),
            (self.tokens, was.tokens),
            (self.usd, was.usd),
        ):
            field.value = "" if limit is None else f"{limit:g}"

    def start(self) -> Start:
        """Return the choices.

        Raises:
            InputError: a field holds no number; the message names it.
        """
        llm = self.researcher.value == "llm"
        model = _text(self.model) if llm else None
        asked = ModelWishes(
            model=model,
            usd_in=_number(self.usd_in, float) if llm else None,
            usd_out=_number(self.usd_out, float) if llm else None,
            usd_cached=_number(self.usd_cached, float) if llm else None,
        )
        limits = settle_limits(
            _number(self.experiments, int),
            _number(self.hours, float),
            _number(self.tokens, int) if llm else None,
            _number(self.usd, float) if llm else None,
        )
        return Start(
            self._wishes(),
            asked,
            limits,
            self.copy_to.value.strip(),
            self._secrets[self.webhook] or None,
            self._environment() if llm else {},
        )

    def _wishes(self) -> Wishes:
        return Wishes(
            dataset=_text(self.dataset),
            train_seconds=_number(self.train_seconds, float),
            researcher=self.researcher.value,
            rule=self.rule.value,
        )

    def _environment(self) -> dict[str, str]:
        typed = {KEY: self._secrets[self.key], BASE_URL: self.base_url.value.strip()}
        return {name: value for name, value in typed.items() if value}

    def _show_llm(self) -> None:
        for row in self._llm:
            row.layout.display = "flex" if self.researcher.value == "llm" else "none"

    def _take(self, field: widgets.Password) -> None:
        if field.value:
            self._secrets[field] = field.value.strip()
            field.value = ""
            field.placeholder = "kept in memory, not in this page"


def _field(name: str, placeholder: str) -> widgets.Text:
    return widgets.Text(description=name, placeholder=placeholder, style=WIDE)


def _secret(name: str, placeholder: str) -> widgets.Password:
    return widgets.Password(
        description=name, placeholder=placeholder, continuous_update=False, style=WIDE
    )


def _rows(*fields: Sequence[widgets.Widget]) -> list[widgets.Box]:
    wrapping = {"display": "flex", "flex_flow": "row wrap"}
    return [widgets.Box(list(row), layout=widgets.Layout(**wrapping)) for row in fields]


def _text(field: widgets.Text) -> str | None:
    return field.value.strip() or None


def _number(field: widgets.Text, kind: Callable[[str], T]) -> T | None:
    text = _text(field)
    if text is None:
        return None
    try:
        return kind(text.replace(",", "").replace("_", ""))
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"{field.description} is {text!r}; it must be {what}, or empty") from error
