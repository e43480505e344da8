"""Who proposes the next experiment."""

from collections.abc import Callable

from autoresearch_kit.errors import InputError
from autoresearch_kit.researchers.base import (
    Researcher,
    Surroundings,
    View,
    latest_lessons,
    view_of,
)
from autoresearch_kit.researchers.model import Model
from autoresearch_kit.researchers.spending import Meter
from autoresearch_kit.researchers.turns import Turns

RESEARCHERS = ("optuna", "llm")

__all__ = [
    "RESEARCHERS",
    "Model",
    "Researcher",
    "Surroundings",
    "Turns",
    "View",
    "check_name",
    "find_turns",
    "latest_lessons",
    "view_of",
]


def check_name(name: str) -> str:
    """The name, if there is a researcher of that name.

    Raises:
        InputError: there is none.
    """
    if name not in RESEARCHERS:
        raise InputError(f"no researcher {name!r}; there is: {', '.join(RESEARCHERS)}")
    return name


def find_turns(
    around: Surroundings, meter: Meter, model: Model | None, on_down: Callable[[str], None]
) -> Turns:
    """Optuna, and the language model if there is one, taking turns.

    `on_down` is told why the model can't be asked, once an outage.
    """
    # Optuna takes most of a second to load, the client of a model too; most commands need neither.
    from autoresearch_kit.researchers.optuna import OptunaResearcher

    if model is None:
        return Turns(OptunaResearcher())
    from autoresearch_kit.researchers.llm.researcher import LLMResearcher

    asked = LLMResearcher(around, model, meter)
    return Turns(OptunaResearcher(), asked, model.research, on_down)
