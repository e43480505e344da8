"""Who proposes the next experiment."""

from autoresearch_kit.errors import InputError
from autoresearch_kit.researchers.base import Researcher, View

RESEARCHERS = ("optuna",)

__all__ = ["RESEARCHERS", "Researcher", "View", "find_researcher"]


def find_researcher(name: str) -> Researcher:
    """The researcher of that name.

    Raises:
        InputError: there is none of that name.
    """
    if name != "optuna":
        raise InputError(f"no researcher {name!r}; there is: {', '.join(RESEARCHERS)}")
    # Optuna takes most of a second to load, and most commands never ask for a researcher.
    from autoresearch_kit.researchers.optuna import OptunaResearcher

    return OptunaResearcher()
