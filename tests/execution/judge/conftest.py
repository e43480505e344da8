from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import numpy as np
import psutil
import pytest

import autoresearch_kit
from autoresearch_kit.execution.judge.scoring import JudgeSpec
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from tests.cheats.base import make_habits
from tests.execution.judge import cheats, models
from tests.execution.judge.models import VOCAB_SIZE

KIT = Path(autoresearch_kit.__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def _models_as_from_a_notebook() -> Iterator[None]:
    """Classes travel by value, as those of a notebook do."""
    for module in (models, cheats):
        cloudpickle.register_pickle_by_value(module)
    yield
    for module in (models, cheats):
        cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return text in which one token often follows another, of tokens with 1 to 4 bytes."""
    folder = make_habits(tmp_path_factory.mktemp("data") / "habits")
    sizes = np.arange(VOCAB_SIZE, dtype=np.uint16) % 4 + 1
    sizes[0] = 0
    np.save(folder / "token_bytes.npy", sizes)
    return folder


@pytest.fixture
def spec(dataset: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[JudgeSpec]:
    """Yield the question to a judge; the submission is to be written. No process outlives the test.

    The precision is given, since otherwise it would be that of this machine's processor.
    """
    folder = tmp_path / "run"
    folder.mkdir()
    spec = JudgeSpec(
        dataset=dataset,
        shard="val",
        submission=tmp_path / "submission.pkl",
        folder=folder,
        kit=KIT,
        sandbox=bubblewrap.level(),
        device="cpu",
        precision="float32",
        run_id=f"test-{request.node.name}-{tmp_path.name}",
        memory_mb=2000,
        seconds=240,
        answer_seconds=60,
    )
    yield spec
    _, left = psutil.wait_procs(reap.members(spec.run_id), timeout=10)  # killed, not yet gone
    reap.reap(spec.run_id)
    assert not left


def submit(spec: JudgeSpec, model: object) -> JudgeSpec:
    spec.submission.write_bytes(cloudpickle.dumps(model))
    return spec
