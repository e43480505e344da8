"""prepare, run, demo."""

import shutil
import sys
from typing import Annotated

import typer

from autoresearch_kit import detached, ground
from autoresearch_kit.cli.app import Tag, app, console, workspace
from autoresearch_kit.cli.follow import follow
from autoresearch_kit.cli.read import draw_progress
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import sandbox
from autoresearch_kit.history import History
from autoresearch_kit.records import Limits, Settings
from autoresearch_kit.settling import Wishes, settle
from autoresearch_kit.workspace import Workspace

DEMO = "demo"
DEMO_EXPERIMENTS = 5
DEMO_TRAIN_SECONDS = 30.0
DEMO_PROFILE = "cpu-eager"
"""Compiling takes up to 50 s a run, more than it saves in 30."""


@app.command()
def prepare(
    corpus: Annotated[
        str, typer.Argument(help="`stdlib`, or a file or folder of yours.")
    ] = "stdlib",
    as_bytes: Annotated[bool, typer.Option("--bytes", help="No BPE: every byte a token.")] = False,
    again: Annotated[bool, typer.Option(help="Prepare anew, even if that was done.")] = False,
) -> None:
    """Tokenize and pack a corpus, once; later commands find it."""
    options = [*(["--bytes"] if as_bytes else []), *(["--again"] if again else [])]
    console.print(str(ground.prepare(corpus, *options)))


@app.command()
def run(
    tag: Tag,
    max_experiments: Annotated[
        int | None, typer.Option(help="End after so many experiments beside the baseline.")
    ] = None,
    hours: Annotated[float | None, typer.Option(help="End after so many hours.")] = None,
    train_seconds: Annotated[
        float | None, typer.Option(help="The training budget of a run [default: 300].")
    ] = None,
    wall_seconds: Annotated[
        float | None,
        typer.Option(help="The hard limit of a whole run [default: 2 x budget + 120]."),
    ] = None,
    memory_mb: Annotated[
        float | None, typer.Option(help="The memory a run may take [default: 80% of the machine].")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="The corpus [default: stdlib].")] = None,
    researcher: Annotated[str | None, typer.Option(help="Who proposes [default: optuna].")] = None,
    profile: Annotated[
        str | None, typer.Option(help="The constants to begin with [default: this machine's].")
    ] = None,
) -> None:
    """Start a campaign, or go on with it, in the background; and follow it here.

    Ctrl-C once: it stops after this experiment. Twice: at once. Nothing recorded is ever lost.
    """
    place = workspace(tag)
    limits = _limits(max_experiments, hours)
    wishes = Wishes(dataset, train_seconds, wall_seconds, memory_mb, researcher, profile)
    _run(place, settle(place.root, tag, wishes), limits)


@app.command()
def demo() -> None:
    """A short campaign on the standard library: a first improved model within minutes."""
    place = workspace(DEMO)
    wishes = Wishes(train_seconds=DEMO_TRAIN_SECONDS, profile=DEMO_PROFILE)
    settings = settle(place.root, DEMO, wishes)
    done = len(History(place.root, DEMO).experiments())
    _run(place, settings, Limits(experiments=max(0, done - 1) + DEMO_EXPERIMENTS))
    picture = draw_progress(place.root, DEMO, None)
    typed = "autoresearch" if shutil.which("autoresearch") else sys.argv[0]
    console.print(f"\nThe picture of this campaign: {picture}")
    console.print(f"What was tried:               {typed} history demo")
    console.print(f"One experiment, as a diff:    {typed} show demo 1")
    console.print(f"The notebook it works on:     {typed} lab")
    console.print(f"A real night:                 {typed} run night --hours 8")


def _limits(experiments: int | None, hours: float | None) -> Limits:
    if experiments is not None and experiments < 1:
        raise InputError(f"--max-experiments is {experiments}; it must be at least 1")
    if hours is not None and not hours > 0:
        raise InputError(f"--hours is {hours:g}; it must be more than 0")
    return Limits(experiments, hours)


def _run(place: Workspace, settings: Settings, limits: Limits) -> None:
    """Refuse what can be refused before anything runs, then start the process and follow it."""
    ledger = History(place.root, place.tag)
    ledger.check()
    ground.read_notebook(place.root)
    ground.prepare(settings.dataset)
    if gap := sandbox.why_not():
        console.print(f"warning: {gap}; notebook code runs as you, though without secrets")
    process = detached.start(place, settings, limits)
    follow(place, process)
