"""The next run's kernel waits while a run trains; tests/execution/test_ahead.py has few cores."""

from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.execution import devices, launch
from autoresearch_kit.execution.launch import WaitingRunner
from autoresearch_kit.records import Limits, Run, RunSpec
from tests.campaign import scripted, tiny
from tests.campaign.test_campaign import left_running

pytestmark = pytest.mark.slow


def test_every_run_but_the_first_finds_a_kernel_that_waits(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []

    def execute(spec: RunSpec, waiting: WaitingRunner | None, **more: object) -> Run:
        found.append(waiting is not None)
        return really(spec, waiting, **more)  # type: ignore[arg-type]

    really = launch.execute
    monkeypatch.setattr(launch, "execute", execute)
    monkeypatch.setattr(devices, "LEAST_CORES", 1)
    root = scripted.make_project(tmp_path / "project")  # its runs end by steps, however busy it is
    options = tiny.options(corpus, scripted.TRAIN_SECONDS)
    night = Campaign("night", settle(root, "night", options), root=root)
    verdicts = [one.verdict for one in night.run(Limits(experiments=1))]
    assert found == [False, True]
    assert len(verdicts) == 2
    assert left_running(root) == []
    assert list(night.workspace.runs.iterdir()) == []
