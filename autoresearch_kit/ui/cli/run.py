"""The commands prepare, run and demo."""

import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from autoresearch_kit.campaign import start
from autoresearch_kit.campaign.background import settle_destinations
from autoresearch_kit.campaign.context import prepare as prepare_corpus
from autoresearch_kit.campaign.context import size_options, text_sizes
from autoresearch_kit.campaign.model_options import ModelOptions
from autoresearch_kit.campaign.options import Options, settle_limits
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.campaign.start import Sandboxing
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Clock, Destinations, EditProtocol, Limits, Rule
from autoresearch_kit.ui.cli.app import Tag, app, console, open_workspace
from autoresearch_kit.ui.cli.follow import follow
from autoresearch_kit.ui.cli.read import draw_progress
from autoresearch_kit.ui.cli.share import CopyTo, Webhook
from autoresearch_kit.verdicts import validity

DEMO = "demo"
DEMO_EXPERIMENTS = 5
DEMO_OPTIONS = Options(
    train_seconds=20.0,
    profile="cpu-eager",  # compiling takes up to 50 s a run, more than it saves in 20
    rule=Rule.GREEDY,
    seeds=2,
    max_elsewhere=validity.ALL_ELSEWHERE,  # people use their machine while they try it
)


_devices = partial(typer.Option, rich_help_panel="Devices")
_limit = partial(typer.Option, rich_help_panel="Limits: end after this many")
_budget = partial(typer.Option, rich_help_panel="Budget of a run")
_verdict = partial(typer.Option, rich_help_panel="Verdicts")
_model = partial(typer.Option, rich_help_panel="Language model")


@app.command()
def prepare(
    corpus: Annotated[
        str, typer.Argument(help="`stdlib`, `climbmix`, `tinystories`, or your file or folder.")
    ] = "stdlib",
    shards: Annotated[
        int | None, typer.Option(help="Files of climbmix to train on, 100 MB each (default: 10).")
    ] = None,
    as_bytes: Annotated[bool, typer.Option("--bytes", help="Make every byte a token.")] = False,
    vocab_size: Annotated[
        int | None,
        typer.Option(
            help="Tokens in the vocabulary, 257 to 65536 (default: for your own text 8192 on a "
            "GPU, 2048 on Apple's, 1024 on a CPU)."
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            help="Tokens in a row, 2 to 131072 (default: for your own text 2048 on a GPU, 1024 on "
            "Apple's, 512 on a CPU)."
        ),
    ] = None,
    eval_rows: Annotated[
        int | None,
        typer.Option(help="Rows to score on (default: 128; climbmix 10240, too many for a CPU)."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Prepare it anew.")] = False,
) -> None:
    """Download, tokenize and pack a corpus, unless that was done before."""
    sized = context is not None and (as_bytes or vocab_size is not None)
    # the user's own text gets the sizes that suit this machine, unless both are given
    if not sized and (suits := text_sizes(corpus)):
        context = suits.context if context is None else context
        if vocab_size is None and not as_bytes:
            vocab_size = suits.vocab_size
    options = [*(["--bytes"] if as_bytes else []), *(["--again"] if again else [])]
    counts = {"--shards": shards, "--eval-rows": eval_rows}
    options += [f"{name}={count}" for name, count in counts.items() if count is not None]
    path = prepare_corpus(corpus, *options, *size_options(vocab_size, context))
    console.print(str(path))


@app.command()
def run(
    tag: Tag,
    task: Annotated[
        Path | None,
        typer.Option(help="A folder with a task of your own (default: language modelling)."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Corpus (default: stdlib).")] = None,
    researcher: Annotated[str | None, typer.Option(help="Who proposes (default: optuna).")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Its constants (default: the machine's, or as-is).")
    ] = None,
    notebook: Annotated[
        Path | None, typer.Option(help="The training notebook (default: the profile's).")
    ] = None,
    sandbox: Annotated[
        Sandboxing, typer.Option(help="`require`: refuse to start where bubblewrap does not work.")
    ] = Sandboxing.AUTO,
    devices: Annotated[
        str | None,
        _devices(
            help="`all` (default): every GPU of this machine, or all of its cores; `0,1`: GPUs by "
            "number; `cpu:2x4`: 2 slots of 4 cores each."
        ),
    ] = None,
    pool: Annotated[
        str | None,
        _devices(help="`local` (default), or a cluster of Ray's: `ray`, `auto` or its address."),
    ] = None,
    max_experiments: Annotated[
        int | None, _limit(help="Experiments, without the baseline.")
    ] = None,
    hours: Annotated[float | None, _limit(help="Hours.")] = None,
    max_tokens: Annotated[int | None, _limit(help="Tokens, in and out together.")] = None,
    max_usd: Annotated[float | None, _limit(help="US dollars for a language model.")] = None,
    train_seconds: Annotated[
        float | None, _budget(help="Training time (default: 300, or the task's).")
    ] = None,
    clock: Annotated[
        Clock | None,
        _budget(
            help="CPU time over the threads, so that other programs make a run longer, not worse; "
            "or wall-clock (default: cpu; on a GPU wall)."
        ),
    ] = None,
    wall_seconds: Annotated[
        float | None,
        _budget(
            help="Hard limit of a whole run (default: 2 x budget + compile seconds + 120; "
            "--clock cpu: 6 x both + 120)."
        ),
    ] = None,
    compile_seconds: Annotated[
        float | None, _budget(help="Compilation not counted, at most (default: CUDA 180, else 90).")
    ] = None,
    memory_mb: Annotated[float | None, _budget(help="Memory (default: 80% of all).")] = None,
    gpu_memory_mb: Annotated[
        float | None, _budget(help="GPU memory while it trains (default: no limit).")
    ] = None,
    rule: Annotated[
        Rule | None,
        _verdict(help="Keep what beats the noise, or whatever scores better (default: careful)."),
    ] = None,
    seeds: Annotated[
        int | None,
        _verdict(
            help="Runs of the baseline, for the noise (default: 3, greedy 1; for other objectives "
            "than val_bpb 5, greedy 3)."
        ),
    ] = None,
    max_elsewhere: Annotated[
        float | None,
        _verdict(
            help="Judge no run during which other programs used more than this share of the cores "
            "(default: 0.3, with --clock cpu 0.75; 1: judge every run)."
        ),
    ] = None,
    objectives: Annotated[
        str | None,
        _verdict(
            help="Metrics to improve, the most important first, as `val_bpb,inference_seconds` "
            "(default: the task's)."
        ),
    ] = None,
    bound: Annotated[
        list[str] | None,
        _verdict(help="Keep nothing outside: `parameters <= 30e6`; may be given several times."),
    ] = None,
    approve: Annotated[
        bool, _verdict("--approve", help="Build on a keep only once a person has approved it.")
    ] = False,
    model: Annotated[str | None, _model(help="Name of the model.")] = None,
    usd_in: Annotated[float | None, _model(help="Price of a million tokens in.")] = None,
    usd_out: Annotated[float | None, _model(help="Price of a million tokens out.")] = None,
    usd_cached: Annotated[float | None, _model(help="Price of a million cached tokens.")] = None,
    protocol: Annotated[
        EditProtocol | None, _model(help="How the model writes edits (default: auto).")
    ] = None,
    prompt_tokens: Annotated[
        int | None, _model(help="Tokens of a prompt (default: 24000).")
    ] = None,
    optuna_every: Annotated[
        int | None, _model(help="Give optuna every n-th turn (default: 5; 0: none).")
    ] = None,
    fallback: Annotated[
        bool | None, _model(help="Let optuna propose while the endpoint is down (default: yes).")
    ] = None,
    probes: Annotated[
        int | None, _model(help="Drafts of a proposal that it may try for 30 s each (default: 2).")
    ] = None,
    copy_to: CopyTo = None,
    webhook: Webhook = None,
) -> None:
    """Start a campaign in the background, or go on with it, and follow it here.

    Ctrl-C stops after this experiment, a second Ctrl-C at once. Nothing recorded is ever lost.
    """
    workspace = open_workspace(tag)
    limits = settle_limits(max_experiments, hours, max_tokens, max_usd)
    options = Options(
        task=None if task is None else str(task.absolute()),
        dataset=dataset,
        train_seconds=train_seconds,
        wall_seconds=wall_seconds,
        memory_mb=memory_mb,
        gpu_memory_mb=gpu_memory_mb,
        compile_seconds=compile_seconds,
        researcher=researcher,
        profile=profile,
        notebook=None if notebook is None else str(notebook.absolute()),
        rule=rule,
        seeds=seeds,
        max_elsewhere=max_elsewhere,
        clock=clock,
        devices=devices,
        pool=pool,
        objectives=objectives,
        bound=tuple(bound) if bound else None,
        approve=approve or None,
    )
    asked = ModelOptions(
        model, protocol, prompt_tokens, optuna_every, fallback, usd_in, usd_out, usd_cached, probes
    )
    destinations = settle_destinations(workspace, copy_to, webhook)
    _run(workspace, options, limits, asked, destinations, sandbox)


@app.command()
def demo() -> None:
    """Run a short campaign of five experiments on the standard library, within minutes.

    It keeps whatever scores lower in one run; your own campaigns run an idea again to be sure.
    """
    workspace = open_workspace(DEMO)
    ledger = History(workspace.root, DEMO)
    done = max(0, len(ledger.experiments()) - 1)
    _run(workspace, DEMO_OPTIONS, Limits(experiments=done + DEMO_EXPERIMENTS))
    picture = draw_progress(workspace.root, DEMO)
    typed = "autoresearch" if shutil.which("autoresearch") else sys.argv[0]
    best = ledger.best()
    if best is not None and best.experiment.number == 0:
        console.print(f"Nothing was better than the baseline; five more: {typed} demo")
    console.print(f"\nThe picture of this campaign: {picture}")
    console.print(f"All experiments:              {typed} history demo")
    console.print(f"One experiment, as a diff:    {typed} show demo 1")
    console.print(f"Watch and steer the next one: {typed} lab")
    console.print(f"A real night:                 {typed} run night --hours 8")


def _run(
    workspace: Workspace,
    options: Options,
    limits: Limits,
    asked: ModelOptions = ModelOptions(),  # noqa: B008 - it is frozen
    destinations: Destinations | None = None,
    sandboxing: Sandboxing = Sandboxing.AUTO,
) -> None:
    """Start the campaign's process and follow it."""
    settings = settle(workspace.root, workspace.tag, options)
    process = start.start(
        workspace, settings, limits, asked, destinations, os.environ, console.print, sandboxing
    )
    follow(workspace, process)
