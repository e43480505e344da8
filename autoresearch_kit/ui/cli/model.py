"""The commands guide, lessons and prompt: talking with the language model."""

from typing import Annotated

import typer

from autoresearch_kit.campaign import context
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.records import DatasetInfo, EditProtocol, Research, codec
from autoresearch_kit.reports.status import known
from autoresearch_kit.researchers import Surroundings, latest_lessons, view_of
from autoresearch_kit.ui.cli.app import Tag, app, console, known_history, open_workspace, project


@app.command()
def guide(
    tag: Tag,
    text: Annotated[str | None, typer.Argument(help='What to try or leave; "" removes it.')] = None,
) -> None:
    """Give the researcher guidance, in place of what you said before.

    It is in the next prompt, and recorded with the experiments made under it.
    """
    workspace = open_workspace(known(project(), tag))
    if text is not None:
        workspace.write_guidance(text.strip())
    console.print(workspace.guidance() or "nothing is said to the researcher")
    settings = workspace.settings()
    if settings is not None and settings.researcher != "llm":
        console.print(f"note: {settings.researcher} proposes in '{tag}', and doesn't read this")


@app.command()
def lessons(tag: Tag) -> None:
    """Show what the language model says it has learnt so far."""
    learnt = latest_lessons(known_history(tag).experiments())
    console.print(learnt or "no lessons yet: they are asked for every few experiments")


@app.command()
def prompt(tag: Tag) -> None:
    """Show the prompt that the language model would get now."""
    from autoresearch_kit.researchers.llm.prompt import brief_of, opening, proposal_prompt

    ledger, workspace = known_history(tag), open_workspace(tag)
    experiments = ledger.experiments()
    settings, research = experiments[0].settings, workspace.research() or Research(model="")
    folder = context.prepare_for(settings)
    info = codec.decode(DatasetInfo, (folder / "dataset.json").read_bytes())
    around = Surroundings(ledger, workspace, settings, machine_probe.probe(), info)
    view = view_of(ledger, workspace, experiments)
    if view is None:
        raise InputError(f"campaign '{tag}' has no baseline yet")
    text = proposal_prompt(brief_of(view, around), research.prompt_tokens)
    for message in opening(EditProtocol.TOOLS, text):
        console.rule(message["role"])
        console.print(message.get("content"))
