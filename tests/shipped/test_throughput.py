"""benchmarks/throughput.py compares like with like."""

from pathlib import Path

import pytest
import torch

from tests.shipped.train_cells import NIGHT

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SIZES = {**NIGHT, "GRAD_ACCUMULATION": 2}


@pytest.fixture(autouse=True)
def _beside_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_both_models_need_as_many_products_and_take_as_many_tokens() -> None:
    import throughput

    ours = throughput.measure(throughput.Case("ours", SIZES, 64, 32), steps=1)
    theirs = throughput.measure(throughput.Case("theirs", SIZES, 64, 32, theirs=True), steps=1)
    assert ours.flops_per_token == theirs.flops_per_token
    assert ours.tokens_per_second > 0 < theirs.tokens_per_second


def test_upstreams_step_learns() -> None:
    import throughput
    import upstream

    run = throughput.Stopwatch(throughput.Case("theirs", SIZES, 64, 32), steps=12)
    model = throughput.take_theirs(run, throughput.Case("theirs", SIZES, 64, 32, theirs=True))
    assert isinstance(model, upstream.Model)
    tokens, targets = next(run.batches(4, 32))
    with torch.no_grad():
        assert model(tokens, targets) < torch.tensor(64.0).log()
