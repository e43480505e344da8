"""prepare, run, demo."""

import os
import shutil
import sys
from typing import Annotated

import typer

from autoresearch_kit.campaign import start
from autoresearch_kit.campaign.context import prepare as prepare_corpus
from autoresearch_kit.campaign.context import size_options, text_sizes
from autoresearch_kit.campaign.errands import settle_errands
from autoresearch_kit.campaign.model_options import ModelWishes
from autoresearch_kit.campaign.options import Wishes, settle, settle_limits
from autoresearch_kit.campaign.start import Sandboxing
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Clock, EditProtocol, Errands, Limits, Rule, Settings
from autoresearch_kit.ui.cli.app import Tag, app, console, workspace
from autoresearch_kit.ui.cli.errands import CopyTo, Webhook
from autoresearch_kit.ui.cli.follow import follow
from autoresearch_kit.ui.cli.read import draw_progress
from autoresearch_kit.verdicts import validity

LLM = "Language model"
VERDICTS = "Verdicts"
"""The panels of `run --help` that hold their options."""

DEMO = "demo"
DEMO_EXPERIMENTS = 5
DEMO_TRAIN_SECONDS = 20.0
DEMO_SEEDS = 2
DEMO_PROFILE = "cpu-eager"
"""Compiling takes up to 50 s a run, more than it saves in 20."""


@app.command()
def prepare(
    corpus: Annotated[
        str,
        typer.Argument(help="`stdlib`, `climbmix`, `tinystories`, or a file or folder of yours."),
    ] = "stdlib",
    shards: Annotated[
        int | None, typer.Option(help="Files of climbmix to train on, 100 MB each (default: 10).")
    ] = None,
    as_bytes: Annotated[bool, typer.Option("--bytes", help="No BPE: every byte a token.")] = False,
    vocab_size: Annotated[
        int | None,
        typer.Option(
            help="Tokens in the vocabulary, 257 to 65536 (default: a path 8192 on a GPU, 2048 on "
            "Apple's, 1024 on a CPU; a corpus by name its own)."
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            help="Tokens in a row, 2 to 131072 (default: a path 2048 on a GPU, 1024 on Apple's, "
            "512 on a CPU; a corpus by name its own)."
        ),
    ] = None,
    eval_rows: Annotated[
        int | None,
        typer.Option(help="Rows to score on (default: 128; climbmix 10240, too many for a CPU)."),
    ] = None,
    again: Annotated[bool, typer.Option(help="Prepare anew, even if that was done.")] = False,
) -> None:
    """Download if need be, tokenize and pack a corpus, once; later commands find it."""
    options = [*(["--bytes"] if as_bytes else []), *(["--again"] if again else [])]
    counts = {"--shards": shards, "--eval-rows": eval_rows}
    options += [f"{name}={count}" for name, count in counts.items() if count is not None]
    options += _sizes(corpus, vocab_size, context, as_bytes)
    console.print(str(prepare_corpus(corpus, *options)))


def _sizes(corpus: str, vocab_size: int | None, context: int | None, as_bytes: bool) -> list[str]:
    """The options for what was asked; for a path, what was not asked is as suits the machine."""
    given = context is not None and (as_bytes or vocab_size is not None)
    suits = None if given else text_sizes(corpus)
    if suits and context is None:
        context = suits.context
    if suits and vocab_size is None and not as_bytes:
        vocab_size = suits.vocab_size
    return size_options(vocab_size, context)


@app.command()
def run(
    tag: Tag,
    max_experiments: Annotated[
        int | None, typer.Option(help="End after so many experiments beside the baseline.")
    ] = None,
    hours: Annotated[float | None, typer.Option(help="End after so many hours.")] = None,
    train_seconds: Annotated[
        float | None, typer.Option(help="The training budget of a run (default: 300).")
    ] = None,
    wall_seconds: Annotated[
        float | None,
        typer.Option(
            help="The hard limit of a whole run (default: 2 x budget + compile seconds + 120; "
            "--clock cpu: 6 x both + 120)."
        ),
    ] = None,
    clock: Annotated[
        Clock | None,
        typer.Option(
            help="What the budget counts: CPU time over the threads, so that other programs make "
            "a run longer, not worse; or the wall-clock (default: cpu; on a GPU wall)."
        ),
    ] = None,
    gpu_memory_mb: Annotated[
        float | None,
        typer.Option(help="The GPU memory a run may hold while it trains (default: no limit)."),
    ] = None,
    compile_seconds: Annotated[
        float | None,
        typer.Option(
            help="The compilation that a run's budget leaves out, at most (default: CUDA 180, "
            "else 90)."
        ),
    ] = None,
    memory_mb: Annotated[
        float | None, typer.Option(help="The memory a run may take (default: 80% of the machine).")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="The corpus: as `prepare` takes it (default: stdlib).")
    ] = None,
    researcher: Annotated[str | None, typer.Option(help="Who proposes (default: optuna).")] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="The constants to begin with (default: this machine's, or as-is)."),
    ] = None,
    sandbox: Annotated[
        Sandboxing,
        typer.Option(help="`require`: refuse to start where bubblewrap does not work."),
    ] = Sandboxing.AUTO,
    rule: Annotated[
        Rule | None,
        typer.Option(
            help="Keep what beats the measured noise, or, greedy, whatever scores lower "
            "(default: careful).",
            rich_help_panel=VERDICTS,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="How often the baseline is run, to measure the noise (default: 3; greedy: 1).",
            rich_help_panel=VERDICTS,
        ),
    ] = None,
    max_elsewhere: Annotated[
        float | None,
        typer.Option(
            help="Judge no run during which others took more than this share of the cores "
            "(default: 0.3; 1: judge every run, whatever the machine did).",
            rich_help_panel=VERDICTS,
        ),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="End before more tokens, in and out.", rich_help_panel=LLM)
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option(help="End before more US dollars.", rich_help_panel=LLM)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Its name.", rich_help_panel=LLM)] = None,
    usd_in: Annotated[
        float | None, typer.Option(help="Price of a million tokens in.", rich_help_panel=LLM)
    ] = None,
    usd_out: Annotated[
        float | None, typer.Option(help="Price of a million tokens out.", rich_help_panel=LLM)
    ] = None,
    usd_cached: Annotated[
        float | None,
        typer.Option(help="Price of a million cached tokens in.", rich_help_panel=LLM),
    ] = None,
    protocol: Annotated[
        EditProtocol | None,
        typer.Option(help="How it says its edits (default: auto).", rich_help_panel=LLM),
    ] = None,
    prompt_tokens: Annotated[
        int | None,
        typer.Option(help="The most that a prompt may take (default: 24000).", rich_help_panel=LLM),
    ] = None,
    optuna_every: Annotated[
        int | None,
        typer.Option(
            help="Optuna has every so many turns (default: 5; 0: none).", rich_help_panel=LLM
        ),
    ] = None,
    fallback: Annotated[
        bool | None,
        typer.Option(help="Optuna proposes while it is down (default: yes).", rich_help_panel=LLM),
    ] = None,
    probes: Annotated[
        int | None,
        typer.Option(
            help="It may try a draft so often, 30 s each, before it submits (default: 2).",
            rich_help_panel=LLM,
        ),
    ] = None,
    copy_to: CopyTo = None,
    webhook: Webhook = None,
) -> None:
    """Start a campaign, or go on with it, in the background; and follow it here.

    Ctrl-C once: it stops after this experiment. Twice: at once. Nothing recorded is ever lost.
    """
    place = workspace(tag)
    limits = settle_limits(max_experiments, hours, max_tokens, max_usd)
    wishes = Wishes(
        dataset=dataset,
        train_seconds=train_seconds,
        wall_seconds=wall_seconds,
        memory_mb=memory_mb,
        gpu_memory_mb=gpu_memory_mb,
        compile_seconds=compile_seconds,
        researcher=researcher,
        profile=profile,
        rule=rule,
        seeds=seeds,
        max_elsewhere=max_elsewhere,
        clock=clock,
    )
    asked = ModelWishes(
        model, protocol, prompt_tokens, optuna_every, fallback, usd_in, usd_out, usd_cached, probes
    )
    errands = settle_errands(place, copy_to, webhook)
    _run(place, settle(place.root, tag, wishes), limits, asked, errands, sandbox)


@app.command()
def demo() -> None:
    """A short campaign on the standard library: five experiments, within minutes.

    Lower is kept, by one run each: a campaign of yours runs an idea again before it believes it.
    """
    place = workspace(DEMO)
    wishes = Wishes(
        train_seconds=DEMO_TRAIN_SECONDS,
        profile=DEMO_PROFILE,
        rule=Rule.GREEDY,
        seeds=DEMO_SEEDS,
        max_elsewhere=validity.NEVER,  # whoever tries it does other things meanwhile
    )
    settings = settle(place.root, DEMO, wishes)
    ledger = History(place.root, DEMO)
    done = len(ledger.experiments())
    _run(place, settings, Limits(experiments=max(0, done - 1) + DEMO_EXPERIMENTS))
    picture = draw_progress(place.root, DEMO, None)
    typed = "autoresearch" if shutil.which("autoresearch") else sys.argv[0]
    best = ledger.best()
    if best is not None and best.experiment.number == 0:
        console.print(f"Nothing was better than the baseline; five more: {typed} demo")
    console.print(f"\nThe picture of this campaign: {picture}")
    console.print(f"What was tried:               {typed} history demo")
    console.print(f"One experiment, as a diff:    {typed} show demo 1")
    console.print(f"Watch and steer the next one: {typed} lab")
    console.print(f"A real night:                 {typed} run night --hours 8")


def _run(
    place: Workspace,
    settings: Settings,
    limits: Limits,
    asked: ModelWishes = ModelWishes(),  # noqa: B008 - it is frozen
    errands: Errands | None = None,
    sandboxing: Sandboxing = Sandboxing.AUTO,
) -> None:
    """Start the process and follow it."""
    process = start.start(
        place, settings, limits, asked, errands, os.environ, console.print, sandboxing
    )
    follow(place, process)
