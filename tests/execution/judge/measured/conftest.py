from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import psutil
import pytest

from autoresearch_kit.execution.judge.scoring import JudgeSpec
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import VisibleFiles
from tests.execution.judge.conftest import KIT
from tests.execution.judge.measured import submissions


@pytest.fixture(scope="session", autouse=True)
def _submissions_as_from_a_notebook() -> Iterator[None]:
    cloudpickle.register_pickle_by_value(submissions)
    yield
    cloudpickle.unregister_pickle_by_value(submissions)


@pytest.fixture
def spec(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[JudgeSpec]:
    """Yield a task judge's spec: prepare the task, and submit. No process outlives the test."""
    folder = tmp_path / "run"
    folder.mkdir()
    spec = JudgeSpec(
        dataset=tmp_path / "prepared",
        submission=folder / "submission.pkl",
        folder=folder,
        kit=KIT,
        sandbox=bubblewrap.level(),
        device="cpu",
        run_id=f"test-{request.node.name}-{tmp_path.name}",
        memory_mb=1000,
        seconds=60,
        visible=VisibleFiles(),
    )
    spec.submission.touch()
    spec.output.mkdir()
    yield spec
    _, left = psutil.wait_procs(reap.members(spec.run_id), timeout=10)  # killed, not yet gone
    reap.reap(spec.run_id)
    assert not left
