"""Runs the cells of notebooks/train.ipynb in this process, on tiny sizes and made-up tokens."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn

from autoresearch_kit import kernel
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Constant

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "train.ipynb"
TINY: Mapping[str, Constant] = {
    "DEPTH": 2,
    "HEADS": 2,
    "HEAD_DIM": 32,
    "MLP_RATIO": 2,
    "DEVICE_BATCH_SIZE": 4,
    "COMPILE": False,
}


class TinyRun:
    """Stands in for the kernel's run: counts steps where that one counts seconds."""

    vocab_size = 64
    context = 32
    device = torch.device("cpu")

    def __init__(self, steps: int, bfloat16: bool) -> None:
        self.progress = 0.0
        self.losses: list[float] = []
        self.tokens = 0
        self.submitted: nn.Module | None = None
        self._steps = steps
        self._bfloat16 = bfloat16

    def autocast(self) -> torch.autocast:
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._bfloat16)

    def batches(self, rows: int, context: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows that count upward from anywhere: learnt in a few steps."""
        draw = torch.Generator().manual_seed(0)
        while True:
            start = torch.randint(self.vocab_size, (rows, 1), generator=draw)
            tokens = (start + torch.arange(context + 1)) % self.vocab_size
            yield tokens[:, :-1], tokens[:, 1:]

    def steps(self) -> Iterator[int]:
        for step in range(self._steps):
            self.progress = step / self._steps
            yield step

    def log(self, *, loss: float, tokens: int) -> None:
        self.losses.append(loss)
        self.tokens += tokens

    def submit(self, model: nn.Module) -> None:
        self.submitted = model


def train(
    constants: Mapping[str, Constant] | None = None, steps: int = 1, bfloat16: bool = False
) -> tuple[TinyRun, nn.Module]:
    """Run all cells for a number of steps; the run, and the model that it got."""
    torch.manual_seed(0)
    run = TinyRun(steps, bfloat16)
    notebook = TrainNotebook.read(NOTEBOOK).set_constants({**TINY, **(constants or {})})
    namespace: dict[str, object] = {"__name__": "train_cells_run"}
    with patch.object(kernel, "start", lambda *_: run):
        for cell in notebook.cells:
            if not cell.markdown:
                exec(compile(cell.source, cell.name, "exec"), namespace)
    assert run.submitted is not None
    return run, run.submitted
