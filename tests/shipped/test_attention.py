from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor

from tests.shipped.train_cells import TINY, execute

Attention = Callable[[Tensor, Tensor, Tensor, int], Tensor]

CELL = execute(None, TINY, until="intro-block")
LENGTH = 160  # more than one of FlexAttention's blocks
WINDOWS = pytest.mark.parametrize("window", [1, 40, 128, LENGTH])
HEADS = pytest.mark.parametrize("key_heads", [4, 2, 1])


def of_the_notebook(name: str) -> Attention:
    return cast(Attention, CELL[name])


def plain(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Softmax of scores, minus infinity where a position must not look; in float64."""
    q, k, v = (t.double() for t in (q, k, v))
    k, v = (t.repeat_interleave(q.size(1) // t.size(1), dim=1) for t in (k, v))
    scores = q @ k.mT / q.size(-1) ** 0.5
    for here in range(LENGTH):
        scores[..., here, here + 1 :] = -torch.inf
        scores[..., here, : max(0, here - window) if window else 0] = -torch.inf
    return torch.matmul(scores.softmax(-1), v)


def inputs(key_heads: int, device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    shapes = [(2, heads, LENGTH, 32) for heads in (4, key_heads, key_heads)]
    q, k, v = (torch.randn(shape, generator=draw).to(device) for shape in shapes)
    return q, k, v


def gradients(
    attention: Attention, leaves: tuple[Tensor, Tensor, Tensor], window: int
) -> list[Tensor]:
    leaves = tuple(leaf.clone().requires_grad_() for leaf in leaves)  # type: ignore[assignment]
    out = attention(*leaves, window)
    weights = torch.randn(
        out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    (out * weights.to(out)).sum().backward()  # type: ignore[no-untyped-call]
    return [cast(Tensor, leaf.grad).double().cpu() for leaf in leaves]


@HEADS
@pytest.mark.parametrize("window", [0, 1, 40, LENGTH])
def test_pytorchs_kernels_attend_as_a_plain_softmax_does(window: int, key_heads: int) -> None:
    leaves = inputs(key_heads)
    found = of_the_notebook("masked")(*leaves, window)
    torch.testing.assert_close(found.double(), plain(*leaves, window), rtol=0, atol=1e-5)


@HEADS
@pytest.mark.parametrize("window", [0, 40])
def test_so_do_their_gradients(window: int, key_heads: int) -> None:
    leaves = inputs(key_heads)
    found = gradients(of_the_notebook("masked"), leaves, window)
    expected = gradients(plain, leaves, window)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@HEADS
@WINDOWS
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_sees_what_a_plain_softmax_sees(window: int, key_heads: int) -> None:
    """Unfused, since compiling takes long; on a CPU it has no backward pass."""
    leaves = inputs(key_heads)
    found = of_the_notebook("blockwise")(*leaves, window)
    torch.testing.assert_close(found.double(), plain(*leaves, window), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_flex_attention_makes_its_blocks_inside_the_graph() -> None:
    leaves = inputs(key_heads=2)
    compiled = torch.compile(of_the_notebook("blockwise"), dynamic=False, fullgraph=True)
    found = compiled(*leaves, 40)
    torch.testing.assert_close(found.double(), plain(*leaves, 40), rtol=0, atol=1e-5)


def test_a_cells_function_can_be_compiled_into_another_modules() -> None:
    def twice(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return 2 * of_the_notebook_attention(q, k, v, 40)

    of_the_notebook_attention = of_the_notebook("attention")
    leaves = inputs(key_heads=2)
    found = torch.compile(twice, backend="eager", fullgraph=True)(*leaves)
    torch.testing.assert_close(found.double(), 2 * plain(*leaves, 40), rtol=0, atol=1e-5)


@pytest.mark.gpu
@HEADS
def test_compiled_flex_attention_on_a_gpu_sees_what_a_plain_softmax_sees(key_heads: int) -> None:
    leaves = inputs(key_heads, "cuda")
    found = torch.compile(of_the_notebook("blockwise"), dynamic=False)(*leaves, 40)
    torch.testing.assert_close(found.double(), plain(*leaves, 40), rtol=0, atol=5e-3)


@pytest.mark.gpu
@HEADS
def test_the_gradients_of_compiled_flex_attention(key_heads: int) -> None:
    leaves = inputs(key_heads, "cuda")
    compiled = torch.compile(of_the_notebook("blockwise"), dynamic=False)
    found = gradients(compiled, leaves, 40)
    expected = gradients(plain, leaves, 40)
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-3)
