"""benchmarks/throughput.py compares like with like."""

from pathlib import Path

import pytest

from autoresearch_kit.machine import profiles
from tests.shipped.train_cells import GPU_NOTEBOOK, TINY

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SIZES = {**profiles.find("h100").constants, **TINY[GPU_NOTEBOOK], "GRAD_ACCUMULATION": 2}


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own
def test_both_models_need_equal_products_and_take_equal_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import throughput
    from training import Case, Stopwatch

    cases = [Case("ours", SIZES, 64, 32), Case("theirs", SIZES, 64, 32, theirs=True)]
    ours, theirs = (throughput.measured(Stopwatch(case, 1), case) for case in cases)
    assert ours.flops_per_token == theirs.flops_per_token
    assert ours.tokens_per_second > 0 < theirs.tokens_per_second
