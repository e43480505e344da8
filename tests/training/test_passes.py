from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from autoresearch_kit.training.passes import Batch, Passes


class Model:
    """A sum of squares over a weight; its memory holds `room` rows at once."""

    def __init__(self, room: int) -> None:
        self.weight = torch.ones(1, requires_grad=True)
        self.seen: list[int] = []
        self.room = room

    def backward(self, inputs: Tensor, targets: Tensor, share: float) -> Tensor:
        self.seen.append(len(inputs))
        if len(inputs) > self.room:
            raise torch.OutOfMemoryError
        loss = (self.weight * inputs - targets).square().mean()
        (share * loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def forget(self) -> None:
        self.weight.grad = None


def batch(rows: int) -> Batch:
    x = torch.arange(rows * 2.0).view(rows, 2)
    return x, x + 1


def taken(room: int, batches: list[Batch]) -> tuple[Model, float, list[str]]:
    said: list[str] = []
    model = Model(room)
    loss = Passes(said.append).gradients(model.backward, batches, model.forget)
    return model, loss.item(), said


def test_with_room_enough_a_batch_is_one_pass_and_nothing_is_said() -> None:
    model, _, said = taken(8, [batch(8), batch(8)])
    assert (model.seen, said) == ([8, 8], [])


def test_out_of_memory_halves_the_rows_until_they_fit_and_says_so() -> None:
    model, _, said = taken(2, [batch(8)])
    assert model.seen == [8, 4, 2, 2, 2, 2]
    assert said == [
        "out of memory with 8 rows at once: going on with 4, in 2 passes a step",
        "out of memory with 4 rows at once: going on with 2, in 4 passes a step",
    ]


def test_gradients_and_loss_are_those_of_the_whole_batch() -> None:
    (whole, loss, _), (small, small_loss, _) = taken(8, [batch(8)]), taken(1, [batch(8)])
    torch.testing.assert_close(small.weight.grad, whole.weight.grad)
    assert small_loss == pytest.approx(loss)


def test_later_steps_begin_with_the_rows_that_fit() -> None:
    model, passes = Model(room=4), Passes(lambda _: None)
    for _ in range(2):
        passes.gradients(model.backward, [batch(8)], model.forget)
    assert model.seen == [8, 4, 4, 4, 4]


def test_rows_always_divide_the_batch() -> None:
    assert taken(5, [batch(9)])[0].seen == [9, 3, 3, 3]


def test_memory_that_ends_in_a_later_batch_starts_the_step_over() -> None:
    class Filling(Model):
        def backward(self, inputs: Tensor, targets: Tensor, share: float) -> Tensor:
            self.room = 8 if len(self.seen) < 1 else 4
            return super().backward(inputs, targets, share)

    model, whole = Filling(8), Model(8)
    for one in (model, whole):
        Passes(lambda _: None).gradients(one.backward, [batch(8), batch(8)], one.forget)
    assert model.seen == [8, 8, 4, 4, 4, 4]
    torch.testing.assert_close(model.weight.grad, whole.weight.grad)


def test_a_row_that_does_not_fit_ends_the_run() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        taken(0, [batch(2)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
def test_memory_that_runs_out_in_the_compiler_counts_too() -> None:
    graphs: list[torch.fx.GraphModule] = []

    def hungry(graph: torch.fx.GraphModule, _: Sequence[Tensor]) -> Callable[..., Tensor]:
        graphs.append(graph)
        if len(graphs) == 1:
            raise torch.OutOfMemoryError
        return graph.forward

    double = torch.compile(lambda x: 2 * x, backend=hungry, dynamic=False)
    said: list[str] = []
    loss = Passes(said.append).gradients(
        lambda x, _y, _share: double(x).sum(), [batch(4)], Model(8).forget
    )
    assert (len(graphs), loss.item()) == (2, 28.0)
    assert said == ["out of memory with 4 rows at once: going on with 2, in 2 passes a step"]


def test_any_other_trouble_is_no_matter_of_memory() -> None:
    def broken(inputs: Tensor, targets: Tensor, share: float) -> Tensor:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Passes(print).gradients(broken, [batch(4)], Model(8).forget)
