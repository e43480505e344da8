"""Researchers, who propose the next experiment: a registry of them, and their turns.

A package of its own adds a researcher by an entry point of the group `autoresearch_kit.researchers`
whose object makes one, as `Make` says; `--researcher` takes the entry point's name.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from autoresearch_kit.errors import InputError
from autoresearch_kit.researchers.base import (
    Model,
    Researcher,
    Surroundings,
    View,
    latest_lessons,
    view_of,
)
from autoresearch_kit.researchers.spending import Meter
from autoresearch_kit.researchers.turns import Share, Turns

__all__ = [
    "Make", "Model", "Researcher", "Share", "Surroundings", "Turns", "View", "check_name",
    "find_turns", "known_researchers", "latest_lessons", "view_of",
]  # fmt: skip

Make = Callable[[Surroundings, Model | None, Meter], Researcher]
"""Makes a researcher for one campaign process; the meter counts what a language model takes."""

GROUP = "autoresearch_kit.researchers"

OWN = (
    EntryPoint("optuna", "autoresearch_kit.researchers.optuna:make", GROUP),
    EntryPoint("llm", "autoresearch_kit.researchers.llm.researcher:make", GROUP),
)
"""Loaded when they are needed: optuna takes most of a second, and so does the model's client."""


def known_researchers() -> list[str]:
    """Return the names that `--researcher` takes, the kit's own first."""
    own = [point.name for point in OWN]
    return own + sorted(_entry_points().keys() - set(own))


def check_name(name: str) -> str:
    """Return the name, if there is a researcher of that name; InputError if there is none."""
    known = _entry_points()
    if name not in known:
        raise InputError(f"no researcher {name!r}; there are: {', '.join(known)}")
    return name


def find_turns(
    around: Surroundings, meter: Meter, model: Model | None, on_down: Callable[[str], None]
) -> Turns:
    """Return the campaign's researcher, taking turns with optuna where a language model proposes.

    Without a `model`, optuna has the turns of `llm`. `on_down` is called with the reason when
    nobody answers at the model's endpoint, once for each outage.

    Raises:
        InputError: the campaign's researcher can't be loaded.
    """
    chosen = around.settings.researcher
    if model is None:
        return Turns(_load("optuna" if chosen == "llm" else chosen)(around, None, meter))
    first, optuna = (_load(name)(around, model, meter) for name in (chosen, "optuna"))
    research = model.research
    shares = [Share(optuna, research.optuna_every)] if research.optuna_every else []
    return Turns(first, shares, optuna if research.fallback else None, on_down)


def _entry_points() -> dict[str, EntryPoint]:
    """Return all researchers' entry points by name; the kit's own names can't be taken over."""
    return {point.name: point for point in (*entry_points(group=GROUP), *OWN)}


def _load(name: str) -> Make:
    point = _entry_points()[check_name(name)]
    try:
        make: Make = point.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"researcher {name!r} can't be loaded from {point.value}: {error}"
        ) from error
    return make
