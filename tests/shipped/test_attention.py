"""Attention of the GPU's notebook: PyTorch's kernels and FlexAttention against a plain softmax."""

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor

from tests.shipped.train_cells import GPU_NOTEBOOK, TINY, execute

Attention = Callable[[Tensor, Tensor, Tensor, int], Tensor]
Inputs = tuple[Tensor, Tensor, Tensor]

CELL = execute(None, GPU_NOTEBOOK, TINY[GPU_NOTEBOOK], until="intro-layers")
LENGTH = 160  # more than one of FlexAttention's blocks


def of_the_notebook(name: str) -> Attention:
    return cast(Attention, CELL[name])


def plain(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Return the softmax of scores, minus infinity where a position must not look; in float64."""
    q, k, v = (t.double() for t in (q, k, v))
    scores = q @ k.mT / q.size(-1) ** 0.5
    for here in range(LENGTH):
        scores[..., here, here + 1 :] = -torch.inf
        scores[..., here, : max(0, here - window) if window else 0] = -torch.inf
    return torch.matmul(scores.softmax(-1), v)


def inputs(device: str = "cpu") -> Inputs:
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn((2, 4, LENGTH, 32), generator=draw).to(device) for _ in range(3))
    return q, k, v


def gradients(attention: Attention, leaves: Inputs, window: int) -> list[Tensor]:
    q, k, v = (leaf.clone().requires_grad_() for leaf in leaves)
    out = attention(q, k, v, window)
    draw = torch.Generator().manual_seed(1)
    weights = torch.randn(out.shape, generator=draw, dtype=torch.float64)
    (out * weights.to(out)).sum().backward()  # type: ignore[no-untyped-call]
    return [cast(Tensor, leaf.grad).double().cpu() for leaf in (q, k, v)]


@pytest.mark.parametrize("window", [0, 1, 40, LENGTH])
def test_pytorchs_kernels_attend_as_a_plain_softmax_does(window: int) -> None:
    attention, leaves = of_the_notebook("attention"), inputs()
    out = attention(*leaves, window)
    torch.testing.assert_close(out.double(), plain(*leaves, window), rtol=0, atol=1e-5)
    its_gradients, expected = (gradients(way, leaves, window) for way in (attention, plain))
    torch.testing.assert_close(its_gradients, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("window", [1, 40, 128, LENGTH])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_sees_what_a_plain_softmax_sees(window: int) -> None:
    """Unfused, since compiling takes long; on a CPU it has no backward pass."""
    leaves = inputs()
    out = of_the_notebook("blockwise")(*leaves, window)
    torch.testing.assert_close(out.double(), plain(*leaves, window), rtol=0, atol=1e-5)


def test_attention_can_be_compiled_into_one_graph_from_another_module() -> None:
    ways = [of_the_notebook("attention"), of_the_notebook("blockwise")]

    def both(q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
        return [way(q, k, v, 40) for way in ways]

    leaves = inputs()
    for out in torch.compile(both, backend="eager", fullgraph=True)(*leaves):
        torch.testing.assert_close(out.double(), plain(*leaves, 40), rtol=0, atol=1e-5)


@pytest.mark.gpu
def test_compiled_flex_attention_on_a_gpu_is_a_plain_softmax() -> None:
    leaves = inputs("cuda")
    compiled = torch.compile(of_the_notebook("blockwise"), dynamic=False)
    out = compiled(*leaves, 40)
    torch.testing.assert_close(out.double(), plain(*leaves, 40), rtol=0, atol=5e-3)
    its_gradients, expected = (gradients(way, leaves, 40) for way in (compiled, plain))
    torch.testing.assert_close(its_gradients, expected, rtol=0, atol=5e-3)
