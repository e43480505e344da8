"""A stop at once, while the model probes its draft."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autoresearch_kit.execution import handover, launch
from autoresearch_kit.records import Limits, Request, Run, RunSpec, Stage
from tests.campaign import scripted
from tests.campaign.scripted import edit, submit
from tests.campaign.test_campaign import left_running
from tests.researchers.llm.server import Answer, Body, ChatServer, calls, said, text

pytestmark = pytest.mark.slow

ENDLESS = edit(
    "train", "batches = run", "open('begun', 'w').close()\nwhile True: pass\nbatches = run"
)


def answer(body: Body) -> Answer:
    if "Answer with one word" in said(body):
        return text("ready")
    if scripted.turn_of(body):
        return calls(submit("Never"))
    return calls(ENDLESS, ("probe", {}))


def test_a_stop_at_once_leaves_nothing_of_a_probe(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = scripted.make_project(tmp_path / "project")
    really = launch.execute_unscored

    def stopped(spec: RunSpec, *, cancelled: Callable[[], bool]) -> Run:
        def look() -> bool:
            if (spec.folder / handover.WORK_FOLDER / "begun").exists():
                night.workspace.ask(Request.STOP_NOW)
            return cancelled()

        return really(spec, cancelled=look)

    monkeypatch.setattr(launch, "execute_unscored", stopped)
    with ChatServer(answer) as server:
        night = scripted.campaign(root, corpus, scripted.model(server))
        [baseline] = night.run(Limits(experiments=1))
    assert baseline.kept
    state = night.workspace.state()
    assert state is not None
    assert (state.stage, state.message) == (
        Stage.ENDED,
        "stopped at once; the experiment under way starts again",
    )
    assert left_running(root) == []
    assert list(night.workspace.probe_runs.iterdir()) == []
