"""Test how a step is taken in several passes where memory ends."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from autoresearch_kit.training.kernel import Batch, Passes


class Model:
    """A sum of squares over a weight; its memory holds `room` rows at once."""

    def __init__(self, room: int) -> None:
        self.weight = torch.ones(1, requires_grad=True)
        self.seen: list[int] = []
        self.room = room

    def backward(self, batches: Sequence[Batch]) -> Tensor:
        total = torch.zeros(())
        for inputs, targets in batches:
            self.seen.append(len(inputs))
            if len(inputs) > self.room:
                raise torch.OutOfMemoryError
            loss = (self.weight * inputs - targets).square().mean() / len(batches)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

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


@pytest.mark.parametrize(
    ("room", "rows", "seen", "told"),
    [
        (8, 8, [8], []),
        (2, 8, [8, 4, 2, 2, 2, 2], ["8 rows at once: going on with 4, in 2 passes",
                                    "4 rows at once: going on with 2, in 4 passes"]),
        (5, 9, [9, 3, 3, 3], ["9 rows at once: going on with 3, in 3 passes"]),
    ],
    ids=["room enough", "halved twice", "divides the batch"],
)  # fmt: skip
def test_rows_are_halved_until_they_fit(
    room: int, rows: int, seen: list[int], told: list[str]
) -> None:
    model, loss, said = taken(room, [batch(rows)])
    whole, whole_loss, _ = taken(rows, [batch(rows)])
    assert model.seen == seen
    assert said == [f"out of memory with {line} a step" for line in told]
    torch.testing.assert_close(model.weight.grad, whole.weight.grad)
    assert loss == pytest.approx(whole_loss)


def test_later_steps_begin_with_the_rows_that_fit() -> None:
    model, passes = Model(room=4), Passes(lambda _: None)
    for _ in range(2):
        passes.gradients(model.backward, [batch(8)], model.forget)
    assert model.seen == [8, 4, 4, 4, 4]


def test_out_of_memory_in_a_later_batch_repeats_the_step() -> None:
    class Filling(Model):
        def backward(self, batches: Sequence[Batch]) -> Tensor:
            if not self.seen:
                super().backward(batches[:1])
                self.room = 4
            return super().backward(batches)

    model, whole = Filling(8), Model(8)
    for each in (model, whole):
        Passes(lambda _: None).gradients(each.backward, [batch(8), batch(8)], each.forget)
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
        lambda batches: torch.stack([double(x).sum() for x, _ in batches]).mean(),
        [batch(4)],
        Model(8).forget,
    )
    assert (len(graphs), loss.item()) == (2, 28.0)
    assert said == ["out of memory with 4 rows at once: going on with 2, in 2 passes a step"]


def test_any_other_error_is_raised() -> None:
    def broken(batches: Sequence[Batch]) -> Tensor:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Passes(print).gradients(broken, [batch(4)], Model(8).forget)
