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
from autoresearch_kit.records import DatasetInfo, codec
from tests.execution.judge import cheats, models

KIT = Path(autoresearch_kit.__file__).parents[1]
VOCAB_SIZE = 64
CONTEXT = 32
ROWS = 70


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
    """Text in which every row has a few favourite tokens, and one token often follows another."""
    folder = tmp_path_factory.mktemp("data")
    length = ROWS * (CONTEXT + 1)
    for number, shard in enumerate(("train", "val", "audit")):
        (folder / shard).mkdir()
        _text(length, seed=number).tofile(folder / shard / "tokens.bin")
    sizes = np.arange(VOCAB_SIZE, dtype=np.uint16) % 4 + 1
    sizes[0] = 0
    np.save(folder / "token_bytes.npy", sizes)
    (folder / "dataset.json").write_bytes(codec.encode(_info(length)))
    return folder


def _text(length: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    rng = np.random.default_rng(seed)
    tokens = np.zeros(length, dtype=np.uint16)
    for at in range(1, length):
        favourites = np.random.default_rng([seed, at // (CONTEXT + 1)]).integers(0, VOCAB_SIZE, 6)
        follows = rng.random() < 0.4
        tokens[at] = (tokens[at - 1] * 5 + 1) % VOCAB_SIZE if follows else rng.choice(favourites)
    return tokens


def _info(length: int) -> DatasetInfo:
    return DatasetInfo(
        name="tiny",
        vocab_size=VOCAB_SIZE,
        context=CONTEXT,
        eval_rows=ROWS,
        train_tokens=length,
        val_tokens=length,
        audit_tokens=length,
        train_bytes=1,
        val_bytes=1,
        audit_bytes=1,
        corpus="",
        tokenizer="",
        packing="",
        xz_bpb=8.0,
    )


@pytest.fixture
def spec(dataset: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[JudgeSpec]:
    """The question to a judge; the submission is to be written. No process outlives the test.

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
        batch_seconds=60,
    )
    yield spec
    _, left = psutil.wait_procs(reap.members(spec.run_id), timeout=10)  # killed, not yet gone
    reap.reap(spec.run_id)
    assert not left


def submit(spec: JudgeSpec, model: object) -> JudgeSpec:
    spec.submission.write_bytes(cloudpickle.dumps(model))
    return spec
