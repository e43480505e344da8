"""The loop with real parts: papermill, a kernel, the judge, git."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autoresearch_kit.campaign.backup import restore
from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import devices, launch
from autoresearch_kit.execution.launch import WaitingRunner
from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    Destinations,
    Experiment,
    Limits,
    Request,
    Run,
    RunSpec,
    Stage,
    Verdict,
)
from tests import claims
from tests.campaign import scripted, tiny
from tests.researchers.llm.server import Answer, ChatServer

pytestmark = pytest.mark.slow


def campaign(project: Path, corpus: Path) -> Campaign:
    """Return a campaign whose runs end by their steps, however busy the machine is."""
    options = tiny.options(corpus, scripted.TRAIN_SECONDS)
    return Campaign("night", settle(project, "night", options), root=project)


def left_running(root: Path) -> list[psutil.Process]:
    """Return processes that a campaign in `root` started and that still live."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(root) in " ".join(process.cmdline()) or (
                str(root) in process.environ().get("PYTHONPATH", "")
            ):
                found.append(process)
    return found


@pytest.fixture(scope="module")
def chat() -> Iterator[ChatServer]:
    """Yield a chat's webhook."""
    with ChatServer(lambda _: Answer()) as running:
        yield running


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the campaign is copied to."""
    return tmp_path_factory.mktemp("disk")


@pytest.fixture(scope="module")
def waited() -> list[bool]:
    """Return, for each run of the campaign, whether its kernel was waiting for it."""
    return []


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory,
    corpus: Path,
    chat: ChatServer,
    disk: Path,
    waited: list[bool],
) -> Campaign:
    """An experiment after the baseline, both done, in a checkout with work in it."""

    def execute(spec: RunSpec, waiting: WaitingRunner | None, **more: object) -> Run:
        waited.append(waiting is not None)
        return really(spec, waiting, **more)  # type: ignore[arg-type]

    really = launch.execute
    root = scripted.make_project(tmp_path_factory.mktemp("done") / "project")
    (root / "notes.txt").write_text("not committed")
    night = campaign(root, corpus)
    night.workspace.write_destinations(Destinations(str(disk), chat.url))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "execute", execute)
        patch.setattr(devices, "LEAST_CORES", 1)  # a kernel waits only where cores are free
        for _ in night.run(Limits(experiments=1)):
            pass
    return night


def test_it_refuses_where_runs_do_not_see_the_gpu(
    project: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims.claim_gpu_outside(tmp_path / "outside", monkeypatch)
    night = campaign(project, corpus)
    with pytest.raises(KitError, match=f"torch uses the GPU {claims.NAME}, but runs see only"):
        next(night.run(Limits(experiments=1)))
    assert not list(night.workspace.runs.iterdir())


def test_it_begins_with_the_baseline_and_ends_at_its_limit(done: Campaign) -> None:
    first, *_ = experiments = done.history.experiments()
    assert (first.proposal.idea, first.verdict) == ("baseline", Verdict.KEEP)
    assert [experiment.number for experiment in experiments] == [0, 1]
    assert list(Campaign("night", root=done.root).run(Limits(experiments=1))) == []


def test_every_run_but_the_first_finds_a_kernel_that_waits(
    done: Campaign, waited: list[bool]
) -> None:
    assert len(done.history.experiments()) == 2
    assert waited == [False, True]


def test_scores_are_plausible_and_keeps_are_better_and_better(done: Campaign) -> None:
    scores = [experiment.score for experiment in done.history.experiments()]
    assert all(score is None or 0.1 < score < 8 for score in scores)
    kept = [one.score for one in done.history.experiments() if one.kept]
    assert kept == sorted(kept, key=lambda score: -(score or 0))


def test_the_branch_is_at_the_best_the_checkout_unchanged(done: Campaign) -> None:
    best = done.history.best()
    assert best is not None
    assert tiny.git(done.root, "rev-parse", "autoresearch/night").strip() == best.code_commit
    assert tiny.git(done.root, "status", "--porcelain") == "?? notes.txt\n"
    assert tiny.git(done.root, "log", "--format=%s", "HEAD") == "begin\n"


def test_the_record_holds_the_executed_notebook_and_the_loss_curve(done: Campaign) -> None:
    executed = json.loads(done.history.file(1, "run-1.ipynb"))
    curve = done.history.file(1, "metrics.jsonl").splitlines()
    assert any(cell.get("execution_count") for cell in executed["cells"])
    assert json.loads(curve[-1])["loss"] > 0


def test_nothing_is_left_running_or_lying_about(done: Campaign) -> None:
    assert left_running(done.root) == []
    assert list(done.workspace.runs.iterdir()) == []


def test_a_chat_is_told_when_it_ends(done: Campaign, chat: ChatServer) -> None:
    notice, *_ = chat.bodies
    assert str(notice["text"]).startswith("'night' ended: done. 1 tried")


def test_its_copy_goes_on_elsewhere_until_stopped(
    done: Campaign, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTORESEARCH_DATA", str(tmp_path / "data"))
    clone = tmp_path / "clone"
    tiny.git(tmp_path, "clone", "-q", str(done.root), str(clone))
    restore(clone, disk, "night")
    assert History(clone, "night").experiments() == done.history.experiments()
    night = Campaign("night", root=clone)
    experiments = night.run(Limits())
    assert next(experiments).fingerprint == done.history.experiments()[0].fingerprint
    night.workspace.write_request(Request.STOP_NOW)
    rest: list[Experiment] = list(experiments)
    state = night.workspace.state()
    assert rest == []
    assert state is not None
    assert state.stage is Stage.ENDED
