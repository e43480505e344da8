"""An idea that the machine disturbed is tried again or left; runs and machine are made up."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import measuring
from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.orders import Steps
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import Cancelled, KitError
from autoresearch_kit.execution import launch
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import (
    Conditions,
    Experiment,
    Limits,
    Reason,
    Run,
    RunSpec,
    Stage,
    Verdict,
)
from autoresearch_kit.verdicts.retries import RETRIES
from tests.campaign import made_up_runs, tiny

SETTINGS = replace(made_up_runs.SETTINGS, max_elsewhere=0.3)
QUIET, BUSY = 0.05, 0.9
TRIES = 3
"""Tries of a run on a machine that is no quieter the second time."""


class Machine:
    """A machine that is as busy as `shares` say, run by run, and then quiet.

    A person ends the wait for it that has the number `stop_at`.
    """

    def __init__(self, *shares: float) -> None:
        self._shares: Iterator[float] = iter(shares)
        self.runs: list[str] = []
        self.waited = self.stop_at = 0

    def execute(self, spec: RunSpec, waiting: None = None, **how: Callable[[], bool]) -> Run:
        self.runs.append(spec.folder.name)
        made = made_up_runs.made_up_run(spec, waiting, cancelled=how["cancelled"])
        return replace(made, conditions=Conditions(next(self._shares, QUIET), 1.0))

    def wait(self, *_: object, **__: object) -> Steps[bool]:
        self.waited += 1
        if self.waited == self.stop_at:
            raise Cancelled("stopped while waiting")
        yield ()
        return True


def run(project: Path, machine: Machine, experiments: int) -> list[Experiment]:
    with pytest.MonkeyPatch.context() as patch:
        made_up_runs.make_up(patch)
        patch.setattr(launch, "execute", machine.execute)
        patch.setattr(measuring, "wait_until_quiet", machine.wait)
        campaign = Campaign("night", SETTINGS, root=project)
        list(campaign.run(Limits(experiments=experiments)))
        return campaign.history.experiments()


@dataclass(frozen=True)
class Night:
    """A campaign whose first idea was disturbed once, and tried again."""

    project: Path
    machine: Machine
    tried: list[Experiment]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    project = tiny.make_project(tmp_path_factory.mktemp("disturbed") / "project")
    machine = Machine(QUIET, *[BUSY] * TRIES)
    return Night(project, machine, run(project, machine, 2))


def test_the_same_edits_are_tried_with_other_seeds(night: Night) -> None:
    _, first, again, other = night.tried
    assert (first.verdict, first.reason) == (Verdict.DISTURBED, Reason.MACHINE_BUSY)
    assert (first.score, first.runs, len(first.set_aside)) == (None, (), TRIES)
    assert again.proposal == replace(first.proposal, number=2, retry_of=1)
    assert again.verdict in (Verdict.KEEP, Verdict.DISCARD)
    assert again.runs[0].seed != first.set_aside[0].seed
    assert other.proposal.retry_of is None


def test_git_names_what_was_not_judged_and_its_retry(night: Night) -> None:
    log = tiny.git(night.project, "log", "--format=%B", "refs/autoresearch/night/0002")
    assert "Retry-of: 1" in log
    log = tiny.git(night.project, "log", "--format=%B", "refs/autoresearch/night/0001")
    assert "Record night 0001: disturbed" in log
    assert "Status: disturbed\nReason: machine busy" in log
    shown = tiny.git(night.project, "ls-tree", "-r", "--name-only", "refs/autoresearch/night/0001")
    assert "experiments/night/0001/set-aside-3.ipynb" in shown


def test_a_quiet_machine_is_waited_for_before_a_retry(night: Night) -> None:
    assert night.machine.waited == 2  # before the last repeat, and before the retry


def test_retries_are_bounded_and_the_limit_counts_ideas(project: Path) -> None:
    tried = run(project, Machine(QUIET, *[BUSY] * TRIES * (1 + RETRIES)), 2)
    verdicts = [one.verdict for one in tried]
    assert verdicts[1:-1] == [Verdict.DISTURBED] * (1 + RETRIES)
    assert [one.proposal.retry_of for one in tried] == [None, None, 1, 1, None]


def test_a_stop_while_waiting_loses_no_run(project: Path) -> None:
    machine = Machine(QUIET, *[BUSY] * (TRIES - 1))
    machine.stop_at = 1
    run(project, machine, 1)
    workspace = Workspace(project, "night")
    state = workspace.state()
    assert state is not None
    assert state.stage is Stage.ENDED
    assert len(workspace.under_way.measured(1)) == TRIES - 1
    later = Machine(QUIET)
    _, first = run(project, later, 1)
    assert (later.waited, len(later.runs)) == (1, 1)
    assert (len(first.runs), len(first.set_aside)) == (1, TRIES - 1)


def test_a_stop_before_a_retry_loses_no_retry(project: Path) -> None:
    machine = Machine(QUIET, *[BUSY] * TRIES)
    machine.stop_at = 2
    run(project, machine, 1)
    _, _, again = run(project, Machine(), 1)
    assert again.proposal.retry_of == 1


def test_a_disturbed_baseline_is_measured_anew(project: Path) -> None:
    with pytest.raises(KitError) as raised:
        run(project, Machine(*[BUSY] * TRIES), 1)
    assert str(raised.value) == (
        "the baseline can't be measured here: run 1, disturbed 3 times, is not judged: 90% of the "
        "cores' time went elsewhere while it trained, 30% allowed. Run again when the machine is "
        "quiet; or have every run judged, whatever else the machine does: "
        "autoresearch run night --max-elsewhere 1"
    )
    # nothing was judged yet, so that this is no other campaign
    assert settle(project, "night", Options(max_elsewhere=1.0)).max_elsewhere == 1.0
    assert len(run(project, Machine(), 1)) == 2
