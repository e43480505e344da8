"""The parts of a prompt, each in versions from the full one to the shortest."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.contract import CONFIG
from autoresearch_kit.researchers.base import Surroundings, View
from autoresearch_kit.researchers.llm import experiment_lists, standing
from autoresearch_kit.researchers.llm.prompt_budget import Section
from autoresearch_kit.researchers.llm.situation import situation


@dataclass(frozen=True)
class Brief:
    """The campaign that a prompt is about; `directive` is the text of program.md."""

    view: View
    around: Surroundings
    directive: str


def account(brief: Brief) -> list[Section]:
    """Return the sections that tell of the campaign so far."""
    view, history = brief.view, brief.around.history
    return [
        directive(brief),
        guidance(view),
        situation(brief.around, view.notebook),
        standing.standing(view, history),
        standing.front(view),
        standing.bounds(view),
        experiment_lists.in_flight(view),
        standing.profile(view),
        Section("lessons", "Your lessons so far", (*_cuts(view.lessons, (1_000,)), "")),
        experiment_lists.best_few(view),
        experiment_lists.last(view, history),
        experiment_lists.plateau(view),
    ]


def directive(brief: Brief) -> Section:
    """Return what the human wrote into program.md."""
    cuts = _cuts(brief.directive.strip(), (8_000, 2_000))
    versions = (f"<program>\n{cut}\n</program>" if cut else "" for cut in cuts)
    return Section("directive", "The human's directive, program.md", tuple(versions))


def guidance(view: View) -> Section:
    """Return what the human says by `guide`."""
    return Section("guidance", "What the human says now", _cuts(view.guidance.strip(), (2_000,)))


def notebook(shown: TrainNotebook) -> Section:
    """Return the cells, so that none need be asked for."""
    cells = [cell for cell in shown.cells if not cell.markdown]
    full = "\n\n".join(_cell(cell) for cell in cells)
    config = "\n\n".join(_cell(cell) for cell in cells if cell.name == CONFIG)
    names = f"Cells: {', '.join(cell.name for cell in cells)}. Read them before you edit them."
    return Section("notebook", "The notebook", (full, f"{names}\n\n{config}", names))


def _cell(cell: Cell) -> str:
    kind = "locked" if cell.locked else "editable"
    return f"```python cell={cell.name} ({kind})\n{cell.source}\n```"


def _cuts(text: str, lengths: Sequence[int]) -> tuple[str, ...]:
    """Return the text, and shorter beginnings of it."""
    return (text, *(f"{text[:n]}\n[... cut]" if len(text) > n else text for n in lengths))
