"""benchmarks/throughput.py compares like with like."""

from pathlib import Path

import pytest

from autoresearch_kit.machine import profiles
from autoresearch_kit.tasks.lm.dataset import open_dataset
from tests.execution.notebooks import make_dataset
from tests.shipped.train_cells import GPU_NOTEBOOK, TINY

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SIZES = {**profiles.find("h100").constants, **TINY[GPU_NOTEBOOK], "GRAD_ACCUMULATION": 2}

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A data set of noise, 64 tokens of one byte, in rows of 32."""
    return make_dataset(tmp_path / "rows")


@pytest.fixture(autouse=True)
def _beside_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_both_models_need_as_many_products_and_take_as_many_tokens() -> None:
    import throughput
    from training import Case, Stopwatch

    cases = [Case("ours", SIZES, 64, 32), Case("theirs", SIZES, 64, 32, theirs=True)]
    ours, theirs = (throughput.measured(Stopwatch(case, 1), case) for case in cases)
    assert ours.flops_per_token == theirs.flops_per_token
    assert ours.tokens_per_second > 0 < theirs.tokens_per_second


@pytest.mark.parametrize("theirs", [False, True], ids=["ours", "upstream's"])
def test_a_model_trained_on_rows_is_scored_on_others(theirs: bool, rows: Path) -> None:
    import throughput
    from training import Case, OnRows

    case = Case("", SIZES, 64, 32, theirs=theirs)
    trained = throughput.measured(OnRows(case, open_dataset(rows), seconds=1), case)
    assert trained.steps > 3
    assert trained.val_bpb is not None
    assert 0 < trained.val_bpb < 6.5  # a uniform guess has 6
