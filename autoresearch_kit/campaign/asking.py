"""Ask a notebook's owner what its cells are for, one question at a time."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from autoresearch_kit.errors import InputError
from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.conversion import Answers
from autoresearch_kit.notebook.foreign import KIT_CONSTANTS, Guess, defined_names, likely_editable

T = TypeVar("T")

Ask = Callable[[str, str], str]
"""Asks a person a question, given the answer that is taken where they give none."""

NONE = "none"

START = 60  # characters of a cell's first line that stand for it


def all_questions(code: Sequence[Cell], guessed: Guess) -> str:
    """Return a message that says what a person would be asked of the cells with code."""
    number = _numbers(code)
    editable = _in_numbers(likely_editable(code, guessed.data, guessed.handed_over), code)
    questions = [
        f"which cell reads the data (likely {number.get(guessed.data, NONE)})",
        f"which cell holds the constants (likely {number.get(guessed.config, NONE)})",
        f"which variable is handed over (likely {guessed.handed_over or NONE})",
        f"which cells may be edited (likely {editable})",
    ]
    lines = "".join(f"\n- {question}" for question in questions)
    return (
        f"its cells have no names and tags, and nobody is there to ask what they are for:{lines}\n"
        f"The cells:\n{_listed(code)}\nRun the command in a terminal, which asks."
    )


def ask_all(code: Sequence[Cell], guessed: Guess, ask: Ask) -> Answers:
    """Ask one after the other what the cells with code are for."""
    names = [cell.name for cell in code]
    listed = f"The cells with code:\n{_listed(code)}\n"
    which = f"Which one reads the data? Its number, or {NONE}"
    data = _ask_cell(ask, listed + which, names, guessed.data)
    which = f"Which one holds the constants for a search to change? Its number, or {NONE}"
    config = _ask_cell(ask, which, names, guessed.config)
    constants = _ask_constants(code, guessed, config, ask)
    handed_over = _ask_variable(code, guessed, ask)
    which = "Which ones may a researcher edit? Numbers, such as 1, 3-5"
    default = _in_numbers(likely_editable(code, data, handed_over), code)
    editable = _ask(ask, which, default, lambda said: _chosen(said, names))
    return Answers(data, config, constants, handed_over, tuple(editable))


def _ask_cell(ask: Ask, question: str, names: Sequence[str], likely: str) -> str:
    default = str(names.index(likely) + 1) if likely else NONE

    def parsed(said: str) -> str:
        if said == NONE:
            return ""
        (name,) = _chosen(said, names)[:1]
        return name

    return _ask(ask, question, default, parsed)


def _ask_constants(code: Sequence[Cell], guessed: Guess, config: str, ask: Ask) -> tuple[str, ...]:
    """Ask which constants of other cells move to the cell `config`, if that comes before them."""
    names = [cell.name for cell in code]
    after = names[names.index(config) + 1 :] if config else names
    found = [name for cell in after for name in guessed.constants.get(cell, ())]
    found = [name for name in dict.fromkeys(found) if name not in KIT_CONSTANTS]
    if not found:
        return ()
    question = (
        f"These other constants in CAPITALS can be searched too: {', '.join(found)}.\n"
        f"Which ones are to be? Names, all, or {NONE}"
    )

    def parsed(said: str) -> tuple[str, ...]:
        words = [] if said == NONE else said.replace(",", " ").split()
        if unknown := [word for word in words if word not in (*found, "all")]:
            raise InputError(f"{unknown[0]} is none of them")
        return tuple(found if "all" in words else words)

    return _ask(ask, question, "all", parsed)


def _ask_variable(code: Sequence[Cell], guessed: Guess, ask: Ask) -> str:
    names = list(dict.fromkeys(defined_names(code)))
    question = (
        "Which variable is handed over to be measured? A function of the inputs, a model, or "
        "anything that measure.ipynb can use"
    )

    def parsed(said: str) -> str:
        if said not in names:
            raise InputError(f"no cell defines {said}; there are: {', '.join(names)}")
        return said

    return _ask(ask, question, guessed.handed_over, parsed)


def _ask(ask: Ask, question: str, default: str, parse: Callable[[str], T]) -> T:
    """Ask until the answer can be used; whoever is asked can give up."""
    while True:
        try:
            return parse(ask(question, default).strip())
        except InputError as error:
            question = f"{error}; once more"


def says_yes(ask: Ask, question: str) -> bool:
    """Return whether the answer to a question is yes, which is the default."""

    def parsed(said: str) -> bool:
        if said.lower() not in ("y", "yes", "n", "no"):
            raise InputError("yes or no")
        return said.lower().startswith("y")

    return _ask(ask, question, "yes", parsed)


def _chosen(said: str, names: Sequence[str]) -> list[str]:
    """Return the cells that numbers like `1, 3-5` choose; InputError if one is not there."""
    numbers = list[int]()
    for part in said.replace(",", " ").split():
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise InputError(f"{part} is no number of a cell")
        numbers += range(int(first), min(int(last or first), len(names) + 1) + 1)
    if not numbers or not all(1 <= number <= len(names) for number in numbers):
        raise InputError(f"the cells have the numbers 1 to {len(names)}")
    return [names[number - 1] for number in numbers]


def _in_numbers(names: Sequence[str], code: Sequence[Cell]) -> str:
    number = _numbers(code)
    return ", ".join(str(number[name]) for name in names)


def _numbers(code: Sequence[Cell]) -> dict[str, int]:
    return {cell.name: number for number, cell in enumerate(code, start=1)}


def _listed(code: Sequence[Cell]) -> str:
    starts = [cell.source.strip().partition("\n")[0][:START] for cell in code]
    return "\n".join(f"{number:3d}  {start}" for number, start in enumerate(starts, start=1))
