"""Fields of a form: texts, secrets, numbers."""

from collections.abc import Callable
from typing import TypeVar

import ipywidgets as widgets

from autoresearch_kit.errors import InputError

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
