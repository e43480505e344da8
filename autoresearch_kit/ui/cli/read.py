"""The commands history, show, report and plot: reading a campaign."""

from pathlib import Path
from typing import Annotated

import typer
from rich.syntax import Syntax

from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.diff import cell_diff
from autoresearch_kit.records import Experiment
from autoresearch_kit.reports import tables
from autoresearch_kit.reports.experiment import experiment_rows
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
from autoresearch_kit.ui.cli.follow import STYLES, experiment_lines
from autoresearch_kit.verdicts.estimates import Estimate, estimates


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
        for experiment, line in experiment_lines(ledger.experiments()):
            console.print(line, style=STYLES[experiment.verdict])


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
    experiments = ledger.experiments()
    if not 0 <= number < len(experiments):
        raise InputError(f"no experiment {number} in '{tag}'; there: 0 to {len(experiments) - 1}")
    experiment = experiments[number]
    if as_json:
        print_json(experiment)
        return
    if transcript:
        _show_transcript(open_workspace(tag).transcript(number))
        return
    console.print(_words(experiment, estimates(experiments).get(number)))
    if experiment.proposal.parent is not None:
        old = TrainNotebook.parse(ledger.source(experiment.proposal.parent))
        for changed in cell_diff(old, TrainNotebook.parse(ledger.source(number))):
            console.print(Syntax(str(changed), "diff", background_color="default"))


def _show_transcript(path: Path) -> None:
    from autoresearch_kit.researchers.llm.transcript import read_transcript, render

    if not path.exists():
        raise InputError(f"no transcript at {path}: no model was asked for it on this machine")
    console.print(render(read_transcript(path)))


def _words(experiment: Experiment, known: Estimate | None) -> str:
    number = ("experiment", f"{experiment.number}, from {experiment.proposal.parent}")
    by_now = []
    if known is not None and known.scores > len(experiment.scores):
        by_now = [("by now", f"{known}, the mean of {known.scores} runs")]
    rows = [number, *experiment_rows(experiment), *by_now, *_model_rows(experiment)]
    return "\n".join(f"{name:11s} {words}" for name, words in rows)


def _model_rows(experiment: Experiment) -> list[tuple[str, str]]:
    """Return the rows of an experiment that a language model proposed."""
    proposal = experiment.proposal
    rows = [
        ("model", proposal.model),
        ("cost", str(experiment.usage) if experiment.usage.requests else ""),
        ("guidance", proposal.guidance),
        ("program.md", proposal.directive),
        ("lessons", proposal.lessons),
    ]
    return [(name, words) for name, words in rows if words]


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
) -> None:
    """Draw the progress picture."""
    known_history(tag)
    console.print(str(draw_progress(project(), tag, output)))


def draw_progress(root: Path, tag: str, output: Path | None = None) -> Path:
    """Draw campaign `tag` into `output`, by default a file in its folder; return the file."""
    from autoresearch_kit.reports.results import results  # matplotlib takes most of a second

    folder = Workspace(root, tag)
    folder.create()
    path = output or folder.folder / "progress.png"
    return results(tag, root).progress().save(path)
