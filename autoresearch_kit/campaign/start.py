"""Starting a campaign: whatever can be refused is refused before anything runs."""

import subprocess
from collections.abc import Callable, Mapping
from enum import StrEnum

from autoresearch_kit.campaign import context, detached
from autoresearch_kit.campaign.model_options import NO_ENDPOINT, ModelWishes, find_model
from autoresearch_kit.errors import BusyError, InputError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.machine import gpu_nodes
from autoresearch_kit.records import Errands, Limits, Settings


class Sandboxing(StrEnum):
    """The choice whether a campaign may start where bubblewrap can't be used."""

    AUTO = "auto"
    REQUIRE = "require"


def start(
    workspace: Workspace,
    settings: Settings,
    limits: Limits,
    asked: ModelWishes,
    errands: Errands | None,
    environment: Mapping[str, str],
    say: Callable[[str], object],
    sandboxing: Sandboxing = Sandboxing.AUTO,
) -> subprocess.Popen[bytes]:
    """Start campaign `workspace.tag`, or go on with it, as a process of its own.

    The key and the address of a language model are taken from `environment`. Without `errands`,
    those of the last start stay. `say` is told what the user should know. Prepares the corpus where
    that was not yet done, which takes a minute, or many where it is large.

    Raises:
        BusyError: it is running already; nothing is changed then.
        KitError: it can't be started; the message says what to do.
    """
    if workspace.running():  # known at once, not after a corpus is prepared
        raise BusyError(workspace.held_by())
    if sandboxing is Sandboxing.REQUIRE:
        _require_sandbox()
    history = History(workspace.root, workspace.tag)
    history.check()
    say(f"notebook: {settings.notebook}, profile {settings.profile}")
    context.read_notebook(workspace.root, settings.notebook)
    model = find_model(workspace, settings, limits, asked, environment)
    if model is not None:
        model.check(must_answer=True)
    elif settings.researcher == "llm":
        say(f"warning: {NO_ENDPOINT}")
    if gpu_nodes.may_have_gpu() and (gap := machine_probe.unused_gpu(machine_probe.probe())):
        say(f"warning: {gap}: runs compute on the CPU; what to do: autoresearch doctor")
    context.prepare_for(settings)
    if gap := bubblewrap.why_not():
        say(f"warning: {gap}; notebook code runs as you, though without secrets")
    return detached.start(workspace, settings, limits, model, errands)


def _require_sandbox() -> None:
    if gap := bubblewrap.why_not():
        raise InputError(
            f"{gap}, and --sandbox require asks for it; {bubblewrap.way_out()}. Or leave the "
            f"option out: notebook code then runs as you, though without secrets"
        )
