"""Writes the prompts of a language model: the kit's rules, then the campaign as git knows it.

A prompt is built afresh for each proposal. What it lists is the last few experiments and the best
few, so that its size doesn't grow with the campaign; `prompt_budget` shortens it where it must.
"""

import hashlib
from pathlib import Path

from openai.types.chat import ChatCompletionMessageParam

from autoresearch_kit.execution.runner.crash_report import excerpt
from autoresearch_kit.files.bounded import MEGABYTE, read_start
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.diff import cell_diff
from autoresearch_kit.records import EditProtocol, Proposal, Task
from autoresearch_kit.researchers.base import Surroundings, View
from autoresearch_kit.researchers.llm import blocks, sections
from autoresearch_kit.researchers.llm.findings import quote
from autoresearch_kit.researchers.llm.prompt_budget import Section, fit
from autoresearch_kit.researchers.llm.rules import rules
from autoresearch_kit.researchers.llm.sections import Brief
from autoresearch_kit.researchers.llm.situation import situation
from autoresearch_kit.tasks.measured import layout

DIRECTIVE = layout.DIRECTIVE_FILE

DIRECTIVE_LIMIT = MEGABYTE  # bytes of it that are read: more than any model takes
TRACEBACK_LENGTH = 6_000  # characters of a traceback that are quoted

BY_TOOLS = """\
Edit by calling the tools, as many times as you need; each edit answers with its diff. Calls in one
answer are carried out in order, up to the first that fails. Then call submit, once.
"""

REFUSED = """\
A submit that is refused says why: mend it, at most twice, or the idea is given up.
"""

LESSONS_TASK = """\
Before the next experiment, write down what this campaign has taught so far, for yourself: this
text is all that you will remember beyond the lists above. Three short lists: what worked, what
failed and why, what to try next. At most 250 words, concrete, with experiment numbers. Answer with
the lists alone."""


def brief_of(view: View, around: Surroundings) -> Brief:
    """Return what prompts about this view say, with program.md as it is now."""
    root = around.workspace.root
    return Brief(view, around, read_directive(root, around.settings.task.folder))


def directive_file(root: Path, folder: str = "") -> Path:
    """Return where the program.md is: in the folder of a campaign's task, else the project's."""
    own = root / folder / DIRECTIVE
    return own if own.exists() else root / DIRECTIVE


def read_directive(root: Path, folder: str = "") -> str:
    """Return the start of the human's program.md as it is now; empty if there is none.

    `folder` is that of the campaign's task in the project.
    """
    try:
        return read_start(directive_file(root, folder), DIRECTIVE_LIMIT).decode(errors="replace")
    except FileNotFoundError:
        return ""


def digest(directive: str) -> str:
    """Return what an experiment records of the program.md it was proposed under; short hex."""
    return hashlib.sha256(directive.encode()).hexdigest()[:12]


def opening(
    protocol: EditProtocol, task: Task, text: str, *, may_probe: bool = True
) -> list[ChatCompletionMessageParam]:
    """Return the messages that open a conversation: the kit's rules, and then the request."""
    system = system_prompt(protocol, task, may_probe=may_probe)
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


def system_prompt(protocol: EditProtocol, task: Task, *, may_probe: bool = True) -> str:
    """Return the kit's own rules, which no program.md can change."""
    in_blocks = protocol is EditProtocol.BLOCKS
    way = f"{blocks.instructions(may_probe=may_probe)}\n" if in_blocks else BY_TOOLS
    return f"{rules(task)}\nHow to edit\n{way}{REFUSED}"


def proposal_prompt(brief: Brief, budget: int) -> str:
    """Return the campaign so far, and the request for an experiment, in `budget` tokens at most."""
    view = brief.view
    task = (
        f"Propose experiment {view.number}: one idea, edited into the notebook of experiment "
        f"{view.best}, and submitted."
    )
    parts = [*sections.account(brief), sections.notebook(view.notebook)]
    return fit(f"# Campaign {view.tag}, experiment {view.number}", parts, task, budget)


def lessons_prompt(brief: Brief, budget: int) -> str:
    """Return the campaign so far, and the request for lessons, in `budget` tokens at most."""
    title = f"# Campaign {brief.view.tag}, lessons before experiment {brief.view.number}"
    return fit(title, sections.account(brief), LESSONS_TASK, budget)


def repair_prompt(brief: Brief, crashed: Proposal, ran: TrainNotebook, budget: int) -> str:
    """Return what crashed and how, and the request to mend it; `ran` is the crashed notebook."""
    attempt = crashed.attempts[-1]
    traceback = excerpt(attempt.traceback or attempt.run.detail, TRACEBACK_LENGTH)
    how = f"{attempt.run.failure}\n{quote(traceback, TRACEBACK_LENGTH)}"
    parts = [
        situation(brief.around, ran),
        Section("idea", "The idea", (f"{crashed.idea}\n{crashed.hypothesis}",)),
        Section("diff", "What it changed", (str(cell_diff(brief.view.notebook, ran)),)),
        Section("crash", "How it crashed", (how,)),
        sections.notebook(ran),
    ]
    task = (
        "Your draft is the notebook as it crashed. Mend the bug, keep the idea, and submit it in "
        "words that fit what it is now: they replace the old ones in the record. If the idea can't "
        "work, submit the nearest thing that can. If it crashes again, the idea is given up. The "
        "seconds of the run that crashed are counted."
    )
    title = f"# Campaign {brief.view.tag}, experiment {crashed.number} crashed on a bug"
    return fit(title, parts, task, budget)


def carry_over_prompt(brief: Brief, prepared: Proposal, old: TrainNotebook, budget: int) -> str:
    """Return an idea that was edited into `old`, the former best, and the request to move it."""
    view = brief.view
    wanted = str(cell_diff(old, old.apply(prepared.edits, prepared.constants)))
    changed = str(cell_diff(old, view.notebook))
    best = view.experiment(view.best).proposal.idea
    parts = [
        sections.guidance(view),
        situation(brief.around, view.notebook),
        Section("idea", "Your idea", (f"{prepared.idea}\n{prepared.hypothesis}",)),
        Section("diff", f"Your edit of experiment {prepared.parent}", (wanted,)),
        Section("best", f"What experiment {view.best} changed there ({best})", (changed, "")),
        sections.notebook(view.notebook),
    ]
    task = (
        f"While you prepared this idea, experiment {view.best} became the best, and your edit "
        "can't be merged into it. Your draft is its notebook, without your edit. Carry the idea "
        "over to it, and submit. If it is of no use there, call nothing and answer with a line "
        "that says only GIVE UP: you will be asked for another idea."
    )
    title = f"# Campaign {view.tag}, experiment {view.number}, prepared for a former best"
    return fit(title, parts, task, budget)
