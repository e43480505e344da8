"""The form with which a campaign is started."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import ipywidgets as widgets

from autoresearch_kit.campaign.model_options import BASE_URL, KEY, ModelOptions
from autoresearch_kit.campaign.options import Options, settle_limits
from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Destinations, Limits, Research, Rule, Settings
from autoresearch_kit.researchers import known_researchers

T = TypeVar("T")

LABELS = {"optuna": "optuna: no key needed", "llm": "llm: a language model"}
"""The kit's own researchers, described; those of other packages are listed by their names alone."""

RULES = {
    "careful: repeats what may be luck": Rule.CAREFUL,
    "greedy: one run against one": Rule.GREEDY,
}

WIDE = {"description_width": "150px"}
WIDTH = "410px"
"""Of a field with its name: the longest name and the longest placeholder can be read."""

NO_DESTINATIONS = Destinations()


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


class StartForm:
    """Fields for researcher, budget, limits and language model; empty ones have their defaults.

    A secret is removed from its field as soon as it is complete, so that no saved notebook has it.
    """

    def __init__(self) -> None:
        names = [(LABELS.get(name, name), name) for name in known_researchers()]
        self.researcher = widgets.Dropdown(description="researcher", options=names, **_wide())
        self.rule = widgets.Dropdown(description="verdict", options=RULES, **_wide())
        self.train_seconds = _field("training seconds", "300, or the task's")
        self.dataset = _field("corpus", "stdlib; or climbmix, tinystories, a path")
        self.task = _field("task", "language modelling; or a task's folder")
        self.approve = widgets.Checkbox(description="a person approves each keep", **_wide())
        self.devices = _field("devices", "all; or GPUs 0,1, or cpu:2x4")
        self.limits = {
            limit: _field(f"end after {words}", "no limit")
            for limit, words in [
                ("experiments", "experiments"),
                ("hours", "hours"),
                ("tokens", "tokens"),
                ("usd", "USD"),
            ]
        }
        self.copy_to = _field("copy to folder", "nowhere")
        self.webhook = _secret("webhook", "no notices")
        self.model = _field("model", "its name, for the endpoint")
        self.base_url = _field("endpoint", "OpenAI's; or http://127.0.0.1:11434/v1")
        self.key = _secret("API key", "taken from OPENAI_API_KEY if empty")
        self.prices = {
            "input": _field("USD per M in", "unknown"),
            "output": _field("USD per M out", "unknown"),
            "cached": _field("USD per M cached", "as in"),
        }
        self._secrets = {self.key: "", self.webhook: ""}
        experiments, hours, tokens, usd = self.limits.values()
        self._model_rows = [
            _row(self.model, self.base_url, self.key),
            _row(tokens, usd),
            _row(*self.prices.values()),
        ]
        rows = [
            _row(self.researcher, self.train_seconds, self.task, self.dataset),
            _row(self.rule, self.approve, self.devices, experiments, hours),
            _row(self.copy_to, self.webhook),
        ]
        self.box = widgets.VBox([*rows, *self._model_rows])
        self.researcher.observe(lambda _: self._show_model(), "value")
        self.task.observe(lambda _: self._show_corpus(), "value")
        for secret in self._secrets:
            secret.observe(lambda change: self._take(change["owner"]), "value")
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
        for field in (*fixed, self.approve):
            field.disabled = settings is not None
        self.researcher.value = settings.researcher if settings else "optuna"
        self.train_seconds.value = _shown(settings.train_seconds if settings else None)
        self.task.value = settings.task.folder if settings else ""
        self.dataset.value = settings.dataset if settings else dataset
        self.rule.value = settings.rule if settings else Rule.CAREFUL
        self.approve.value = settings.approve if settings else False
        self.devices.value = settings.devices if settings else ""
        self.model.value = research.model if research else ""
        self.base_url.value = research.base_url if research else ""
        prices = research.prices if research else None
        for name, field in self.prices.items():
            field.value = _shown(getattr(prices, name) if prices else None)
        for name, field in self.limits.items():
            field.value = _shown(getattr(limits, name) if limits else None)
        self.copy_to.value = destinations.copy_to
        if destinations.webhook:
            self.webhook.placeholder = "as before, if empty"

    def choices(self) -> Choices:
        """Return what was chosen.

        Raises:
            InputError: a field holds no number; the message names it.
        """
        experiments, hours = (self.limits[name] for name in ("experiments", "hours"))
        limits = (_number(experiments, int), _number(hours, float))
        options = Options(
            task=_text(self.task),
            dataset=None if _text(self.task) else _text(self.dataset),
            train_seconds=_number(self.train_seconds, float),
            researcher=self.researcher.value,
            rule=self.rule.value,
            devices=_text(self.devices),
            approve=self.approve.value or None,
        )
        copy_to, webhook = self.copy_to.value.strip(), self._secrets[self.webhook] or None
        if self.researcher.value != "llm":
            limits_set = settle_limits(*limits, None, None)
            return Choices(options, ModelOptions(), limits_set, copy_to, webhook, {})
        model = ModelOptions(
            model=_text(self.model),
            usd_in=_number(self.prices["input"], float),
            usd_out=_number(self.prices["output"], float),
            usd_cached=_number(self.prices["cached"], float),
        )
        caps = (_number(self.limits["tokens"], int), _number(self.limits["usd"], float))
        typed = {KEY: self._secrets[self.key], BASE_URL: self.base_url.value.strip()}
        environment = {name: value for name, value in typed.items() if value}
        return Choices(options, model, settle_limits(*limits, *caps), copy_to, webhook, environment)

    def _show_model(self) -> None:
        for row in self._model_rows:
            row.layout.display = "flex" if self.researcher.value == "llm" else "none"

    def _show_corpus(self) -> None:
        self.dataset.layout.display = "none" if _text(self.task) else None  # it has data of its own

    def _take(self, field: widgets.Password) -> None:
        if field.value:
            self._secrets[field] = field.value.strip()
            field.value = ""
            field.placeholder = "kept in memory, not in this page"


def _field(name: str, placeholder: str) -> widgets.Text:
    return widgets.Text(description=name, placeholder=placeholder, **_wide())


def _secret(name: str, placeholder: str) -> widgets.Password:
    return widgets.Password(
        description=name, placeholder=placeholder, continuous_update=False, **_wide()
    )


def _wide() -> dict[str, dict[str, str]]:
    return {"style": WIDE, "layout": {"width": WIDTH}}


def _row(*fields: widgets.Widget) -> widgets.Box:
    return widgets.Box(fields, layout=widgets.Layout(display="flex", flex_flow="row wrap"))


def _text(field: widgets.Text) -> str | None:
    return field.value.strip() or None


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:g}"


def _number(field: widgets.Text, kind: Callable[[str], T]) -> T | None:
    text = _text(field)
    if text is None:
        return None
    try:
        return kind(text.replace(",", "").replace("_", ""))
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"{field.description} is {text!r}; it must be {what}, or empty") from error
