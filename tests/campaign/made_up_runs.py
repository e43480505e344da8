"""A campaign whose runs are made up, so that hundreds can be tried; all that it writes is real."""

import compileall
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import pools
from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.context import Context
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.devices import Device
from autoresearch_kit.execution.local import Site
from autoresearch_kit.execution.pool import DataRef
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    DatasetInfo,
    Experiment,
    Limits,
    Machine,
    Rule,
    Run,
    RunSpec,
    SandboxLevel,
    Score,
    Settings,
    TaskInfo,
    VisibleFiles,
)
from autoresearch_kit.verdicts.comparable import check_comparable
from tests.campaign import tiny
from tests.ledger import ledger

SETTINGS = Settings(
    "stdlib", 1.0, 30.0, 10.0, 4000.0, "optuna", "as-is", Rule.GREEDY, seeds=1, max_elsewhere=1.0
)
"""One run an experiment, so that all take the same steps."""

MACHINE = Machine("a processor", False, "float32", True, 2, 8000.0, "2.13", "3.11", "Linux")
INFO = DatasetInfo("d", 64, 32, 8, 900, 90, 90, 900, 90, 90, "c", "t", "p", 8.0)

Cancelled = Callable[[], bool]


def made_up_run(
    spec: RunSpec,
    waiting: None = None,
    *,
    cancelled: Cancelled = lambda: False,
    meanwhile: Callable[[], None] = lambda: None,
) -> Run:
    """Do as `launch.execute` does, without running: each digit 1 in the code scores better."""
    cancelled()
    source = spec.notebook.read_text()
    (spec.folder / handover.EXECUTED_FILE).write_text(source)
    (spec.folder / handover.WORK_FOLDER).mkdir(exist_ok=True)
    metrics = spec.folder / handover.WORK_FOLDER / handover.METRICS_FILE
    metrics.write_text('{"step": 0, "seconds": 0.1, "loss": 2.0}\n')
    value = 2.0 - source.count("1") / 1000
    score = Score("val_bpb", value, 1.0, 1, 1, 0.0, 0.1)
    return Run(
        spec.seed, score, None, "", 1.0, 0.0, 1.1, 9, 90, 100.0, SandboxLevel.NONE, {"start": 0.1}
    )


def number_of(spec: RunSpec) -> int:
    """Return the number of the experiment that a run of a campaign belongs to."""
    [pending] = Workspace(spec.folder.parents[3], spec.folder.parents[1].name).under_way.pending()
    return pending.number


def made_up_probe(spec: RunSpec, *, cancelled: Cancelled = lambda: False) -> Run:
    """Make up what `launch.execute_unscored` gives and leaves behind."""
    return replace(made_up_run(spec, cancelled=cancelled), score=None)


def made_up_context(workspace: Workspace, history: History, settings: Settings) -> Context:
    """Make up a context, without a corpus and without loading torch."""
    experiments = history.experiments()
    if experiments:
        check_comparable(experiments[0].fingerprint, ledger.FINGERPRINT)
    source = history.source(0) if experiments else tiny.notebook_text()
    return context_of(settings, MACHINE, INFO, workspace.root / "data", source)


def context_of(
    settings: Settings, machine: Machine, info: DatasetInfo | TaskInfo, dataset: Path, source: str
) -> Context:
    """Return a context on a machine with this data set, and few cores."""
    data, level = DataRef("d", "c-t-p"), SandboxLevel.NONE
    site = Site(dataset, data, "kit", level, VisibleFiles())
    devices = (Device("gpu0" if machine.gpu else "cpu0", machine, ledger.FINGERPRINT),)
    baseline = TrainNotebook.parse(source)
    return Context(settings, machine, devices, site, info, ledger.FINGERPRINT, baseline)


def make_up(patch: pytest.MonkeyPatch) -> None:
    """Have campaigns run nothing, and look at no machine, until `patch` is undone.

    Patch more by the same one: two that are undone in another order leave something behind.
    """
    patch.setattr(pools, "find_context", made_up_context)
    patch.setattr(launch, "execute", made_up_run)
    patch.setattr(launch, "execute_unscored", made_up_probe)
    patch.setattr(launch, "audit", lambda _, run, **__: run)
    patch.setattr(compileall, "compile_dir", lambda *_, **__: True)  # nothing imports the copy


@contextmanager
def made_up() -> Iterator[None]:
    """Campaigns in here run nothing, and look at no machine."""
    with pytest.MonkeyPatch.context() as patch:
        make_up(patch)
        yield


def campaign_in(root: Path, limits: Limits) -> Generator[Experiment]:
    """Return the campaign in `root`, going on."""
    return Campaign("night", SETTINGS, root=root).run(limits)


def run(root: Path, experiments: int) -> list[Experiment]:
    """Go on, with made-up runs, until there are so many experiments after the baseline."""
    with made_up():
        return list(campaign_in(root, Limits(experiments=experiments)))
