"""The commands status, history, show, lessons, prompt, report and plot: reading campaigns."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax

from autoresearch_kit.campaign import context
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook.changes import source_diff
from autoresearch_kit.records import EditProtocol, Research
from autoresearch_kit.reports import tables
from autoresearch_kit.reports.experiment import experiment_rows
from autoresearch_kit.reports.reading import Reader, Reading
from autoresearch_kit.reports.status import known, known_campaigns, slots_in_short
from autoresearch_kit.reports.summary_words import summary_rows
from autoresearch_kit.researchers import Surroundings, latest_lessons, view_of
from autoresearch_kit.tasks.kinds import read_info
from autoresearch_kit.ui.cli.app import (
    Json,
    Tag,
    app,
    console,
    known_history,
    open_workspace,
    print_json,
    project,
)
from autoresearch_kit.ui.cli.follow import follow, print_experiments, slots_table
from autoresearch_kit.verdicts.estimates import estimates


@app.command()
def status(
    tag: Annotated[str | None, typer.Argument(help="A campaign (default: all).")] = None,
    watch: Annotated[
        bool, typer.Option("--follow", help="Follow the campaign until it ends.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what campaigns are doing and what they have found."""
    root = project()
    if watch and tag is not None:
        follow(open_workspace(known(root, tag)))
        return
    tags = [known(root, tag)] if tag else known_campaigns(root)
    readers = [Reader(root, name) for name in tags]
    if as_json:
        disk = "disk_kb_per_experiment"
        print_json([reader.read().record() | {disk: reader.disk_kb()} for reader in readers])
        return
    for reader in readers:
        _print_status(reader.read(), reader.disk_kb())
    if not readers:
        console.print("no campaigns yet; begin: autoresearch run night")


def _print_status(reading: Reading, disk_kb: float) -> None:
    console.print(f"[bold]{reading.tag}[/]  {escape(reading.words())}", markup=True)
    if not reading.table:
        return
    rows = [*summary_rows(reading), ("disk", f"{disk_kb:.0f} KB an experiment")]
    if cost := reading.cost():
        rows.append(("cost", cost))
    if slots := reading.slots:
        rows.append(("devices", slots_in_short(slots, reading.time)))
    width = max(16, *(len(name) for name, _ in rows))
    for name, words in rows:
        console.print(f"  {name:{width}s} {words}", style="red" if name == "warning" else None)
    if len(slots) > 1:
        console.print(Padding(slots_table(slots, reading.time), (0, 0, 0, 2)))


@app.command()
def history(
    tag: Tag,
    as_json: Json = False,
    as_tsv: Annotated[
        bool, typer.Option("--tsv", help="Print the table of upstream's results.tsv.")
    ] = False,
) -> None:
    """List every experiment of a campaign, in order."""
    ledger = known_history(tag)
    if as_tsv:
        print(tables.to_tsv(ledger.entries()), end="")  # noqa: T201
    elif as_json:
        print_json(ledger.experiments())
    else:
        print_experiments(ledger.experiments())


@app.command()
def show(
    tag: Tag,
    number: Annotated[int, typer.Argument(help="The experiment's number; the baseline is 0.")],
    as_json: Json = False,
    transcript: Annotated[
        bool, typer.Option("--transcript", help="Print what was said to the model, and by it.")
    ] = False,
) -> None:
    """Show an experiment: its idea, its verdict, what it changed."""
    ledger = known_history(tag)
    experiment = ledger.experiment(number)
    if as_json:
        print_json(experiment)
    elif transcript:
        _show_transcript(open_workspace(tag).transcript(number))
    else:
        known = estimates(ledger.experiments()).get(number)
        for name, words in experiment_rows(experiment, known):
            console.print(f"{name:13s} {words}")
        parent = experiment.proposal.parent
        if parent is not None:
            for changed in source_diff(ledger.source(parent), ledger.source(number)):
                console.print(Syntax(str(changed), "diff", background_color="default"))


def _show_transcript(path: Path) -> None:
    from autoresearch_kit.researchers.llm.transcript import read_transcript, render

    if not path.exists():
        raise InputError(f"no transcript at {path}: no model was asked for it on this machine")
    console.print(render(read_transcript(path)))


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
    info = read_info(context.prepare_for(workspace.root, settings))
    around = Surroundings(ledger, workspace, settings, machine_probe.probe(), info)
    view = view_of(ledger, workspace, experiments)
    if view is None:
        raise InputError(f"campaign '{tag}' has no baseline yet")
    text = proposal_prompt(brief_of(view, around), research.prompt_tokens)
    for message in opening(EditProtocol.TOOLS, settings.task, text):
        console.rule(message["role"])
        console.print(message.get("content"))


@app.command()
def report(
    tag: Annotated[str, typer.Argument(help="A campaign, or a results.tsv.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", help="An .html file.")] = Path("report.html"),
    against: Annotated[
        list[str] | None, typer.Option(help="A campaign to compare with; may be repeated.")
    ] = None,
) -> None:
    """Run the results notebook and write it as one HTML file."""
    from autoresearch_kit.reports import html  # papermill and nbconvert take most of a second

    shown, *others = [_known_source(name) for name in (tag, *(against or []))]
    html.report(project(), shown, others, output.absolute())
    console.print(str(output))


def _known_source(name: str) -> str:
    """Return the tag of a known campaign, or the full path of a readable results.tsv."""
    if not tables.is_log(name):
        return known_history(name).tag
    path = Path(name).absolute()
    tables.read_tsv(path)
    return str(path)


@app.command()
def plot(
    tag: Tag,
    output: Annotated[Path | None, typer.Option("-o", help="A .png or .svg file.")] = None,
    by: Annotated[
        str, typer.Option(help="The x axis: experiments, hours, device-hours or usd.")
    ] = "experiments",
    front: Annotated[
        bool, typer.Option("--front", help="Draw the front of several objectives instead.")
    ] = False,
) -> None:
    """Draw the progress picture, or the front."""
    known_history(tag)
    root = project()
    file = draw_front(root, tag, output) if front else draw_progress(root, tag, output, by)
    console.print(str(file))


def draw_progress(
    root: Path, tag: str, output: Path | None = None, by: str = "experiments"
) -> Path:
    """Draw campaign `tag` into `output`, by default a file in its folder; return the file."""
    from autoresearch_kit.reports.results import results  # matplotlib takes most of a second

    return results(tag, root).progress(by).save(output or _picture(root, tag, "progress.png"))


def draw_front(root: Path, tag: str, output: Path | None = None) -> Path:
    """Draw the front of campaign `tag` into `output`, as `draw_progress` does.

    Raises:
        InputError: it has one objective, or nothing was measured in all of them.
    """
    from autoresearch_kit.reports.figures.drawing import Missing
    from autoresearch_kit.reports.results import results

    drawn = results(tag, root).front()
    if isinstance(drawn, Missing):
        raise InputError(str(drawn))
    return drawn.save(output or _picture(root, tag, "front.png"))


def _picture(root: Path, tag: str, name: str) -> Path:
    workspace = Workspace(root, tag)
    workspace.create()
    return workspace.folder / name
