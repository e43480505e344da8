"""The form with which a campaign is started, and its fields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import ipywidgets as widgets

from autoresearch_kit.campaign.model_options import BASE_URL, KEY, ModelOptions
from autoresearch_kit.campaign.options import Options, settle_limits
from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Destinations, Limits, Research, Rule, Settings
from autoresearch_kit.researchers import known_researchers

LABELS = {"optuna": "optuna: no key needed", "llm": "llm: a language model"}
"""The kit's own researchers, described; those of other packages are listed by their names alone."""

RULES = {
    "careful: repeats what may be luck": Rule.CAREFUL,
    "greedy: one run against one": Rule.GREEDY,
}

NO_DESTINATIONS = Destinations()

T = TypeVar("T")

WIDE = {"style": {"description_width": "150px"}, "layout": {"width": "410px"}}
"""A field with its name in which the longest name and the longest placeholder can be read."""


class Secret:
    """A field that is empty again as soon as it is complete, so that no saved notebook has it."""

    def __init__(self, name: str, placeholder: str) -> None:
        self.field = widgets.Password(
            description=name, placeholder=placeholder, continuous_update=False, **WIDE
        )
        self.typed = ""
        self.field.observe(lambda _: self._take(), "value")

    def _take(self) -> None:
        if self.field.value:
            self.typed = self.field.value.strip()
            self.field.value = ""
            self.field.placeholder = "kept in memory, not in this page"


def field(name: str, placeholder: str) -> widgets.Text:
    """Return a field for a text or a number; the placeholder says what holds if it is empty."""
    return widgets.Text(description=name, placeholder=placeholder, **WIDE)


def row(*fields: widgets.Widget) -> widgets.Box:
    """Return fields side by side, as many as fit."""
    return widgets.Box(fields, layout=widgets.Layout(display="flex", flex_flow="row wrap"))


def text_in(field: widgets.Text) -> str | None:
    """Return what was typed; None if nothing was."""
    return field.value.strip() or None


def number_in(field: widgets.Text, kind: Callable[[str], T]) -> T | None:
    """Return the number that was typed; None if nothing was."""
    text = text_in(field)
    if text is None:
        return None
    try:
        return kind(text.replace(",", "").replace("_", ""))
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"{field.description} is {text!r}; it must be {what}, or empty") from error


def shown(number: float | None) -> str:
    """Return a number as a person types it; empty for None."""
    return "" if number is None else f"{number:g}"


@dataclass(frozen=True)
class Choices:
    """The choices made in the form. `environment` has the key and the address, if typed.

    `copy_to` and `webhook` are as `settle_destinations` takes them.
    """

    options: Options
    model: ModelOptions
    limits: Limits
    copy_to: str
    webhook: str | None
    environment: dict[str, str]


class ModelFields:
    """Fields for a language model; `limits` are those that only it can reach."""

    def __init__(self, *limits: widgets.Text) -> None:
        self.name = field("model", "its name, for the endpoint")
        self.base_url = field("endpoint", "OpenAI's; or http://127.0.0.1:11434/v1")
        self.key = Secret("API key", "taken from OPENAI_API_KEY if empty")
        self.prices = {
            "input": field("USD per M in", "unknown"),
            "output": field("USD per M out", "unknown"),
            "cached": field("USD per M cached", "as in"),
        }
        prices = self.prices.values()
        self.rows = [row(self.name, self.base_url, self.key.field), row(*limits), row(*prices)]

    def fill(self, research: Research | None) -> None:
        """Show the model that the campaign was started with."""
        self.name.value = research.model if research else ""
        self.base_url.value = research.base_url if research else ""
        prices = research.prices if research else None
        for name, price in self.prices.items():
            price.value = shown(getattr(prices, name) if prices else None)

    def options(self) -> ModelOptions:
        """Return the model that was chosen, and its prices."""
        return ModelOptions(
            model=text_in(self.name),
            usd_in=number_in(self.prices["input"], float),
            usd_out=number_in(self.prices["output"], float),
            usd_cached=number_in(self.prices["cached"], float),
        )

    def environment(self) -> dict[str, str]:
        """Return the key and the address, where they were typed."""
        typed = {KEY: self.key.typed, BASE_URL: self.base_url.value.strip()}
        return {name: value for name, value in typed.items() if value}


class StartForm:
    """Fields for researcher, budget, limits and language model; empty ones have their defaults."""

    def __init__(self) -> None:
        names = [(LABELS.get(name, name), name) for name in known_researchers()]
        self.researcher = widgets.Dropdown(description="researcher", options=names, **WIDE)
        self.rule = widgets.Dropdown(description="verdict", options=RULES, **WIDE)
        self.train_seconds = field("training seconds", "300, or the task's")
        self.dataset = field("corpus", "stdlib; or climbmix, tinystories, a path")
        self.task = field("task", "language modelling; or a task's folder")
        self.approve = widgets.Checkbox(description="a person approves each keep", **WIDE)
        self.devices = field("devices", "all; or GPUs 0,1, or cpu:2x4")
        self.limits = {
            limit: field(f"end after {words}", "no limit")
            for limit, words in [
                ("experiments", "experiments"),
                ("hours", "hours"),
                ("tokens", "tokens"),
                ("usd", "USD"),
            ]
        }
        self.copy_to = field("copy to folder", "nowhere")
        self.webhook = Secret("webhook", "no notices")
        experiments, hours, tokens, usd = self.limits.values()
        self.model = ModelFields(tokens, usd)
        rows = [
            row(self.researcher, self.train_seconds, self.task, self.dataset),
            row(self.rule, self.approve, self.devices, experiments, hours),
            row(self.copy_to, self.webhook.field),
        ]
        self.box = widgets.VBox([*rows, *self.model.rows])
        self.researcher.observe(lambda _: self._show_model(), "value")
        self.task.observe(lambda _: self._show_corpus(), "value")
        self._show_model()

    def fill(
        self,
        settings: Settings | None,
        research: Research | None,
        limits: Limits | None,
        *,
        dataset: str = "",
        destinations: Destinations = NO_DESTINATIONS,
    ) -> None:
        """Show what the campaign was started with; what scores depend on can't be changed."""
        fixed = (self.researcher, self.train_seconds, self.task, self.dataset, self.rule)
        for each in (*fixed, self.approve):
            each.disabled = settings is not None
        self.researcher.value = settings.researcher if settings else "optuna"
        self.train_seconds.value = shown(settings.train_seconds if settings else None)
        self.task.value = settings.task.folder if settings else ""
        self.dataset.value = settings.dataset if settings else dataset
        self.rule.value = settings.rule if settings else Rule.CAREFUL
        self.approve.value = settings.approve if settings else False
        self.devices.value = settings.devices if settings else ""
        self.model.fill(research)
        for name, limit in self.limits.items():
            limit.value = shown(getattr(limits, name) if limits else None)
        self.copy_to.value = destinations.copy_to
        if destinations.webhook:
            self.webhook.field.placeholder = "as before, if empty"

    def choices(self) -> Choices:
        """Return what was chosen; InputError if a field holds no number, which names it."""
        experiments, hours = (self.limits[name] for name in ("experiments", "hours"))
        limits = (number_in(experiments, int), number_in(hours, float))
        options = Options(
            task=text_in(self.task),
            dataset=None if text_in(self.task) else text_in(self.dataset),
            train_seconds=number_in(self.train_seconds, float),
            researcher=self.researcher.value,
            rule=self.rule.value,
            devices=text_in(self.devices),
            approve=self.approve.value or None,
        )
        copy_to, webhook = self.copy_to.value.strip(), self.webhook.typed or None
        if self.researcher.value != "llm":
            limits_set = settle_limits(*limits, None, None)
            return Choices(options, ModelOptions(), limits_set, copy_to, webhook, {})
        caps = (number_in(self.limits["tokens"], int), number_in(self.limits["usd"], float))
        limits_set = settle_limits(*limits, *caps)
        model, environment = self.model.options(), self.model.environment()
        return Choices(options, model, limits_set, copy_to, webhook, environment)

    def _show_model(self) -> None:
        for each in self.model.rows:
            each.layout.display = "flex" if self.researcher.value == "llm" else "none"

    def _show_corpus(self) -> None:
        self.dataset.layout.display = "none" if text_in(self.task) else None  # it has its own data
