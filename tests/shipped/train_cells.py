"""Runs the cells of notebooks/train.ipynb in this process, on tiny sizes and made-up tokens."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import cloudpickle
import torch
from torch import Tensor, nn

from autoresearch_kit.machine import profiles
from autoresearch_kit.machine.precision import autocast_to
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Constant
from autoresearch_kit.training import kernel
from autoresearch_kit.training.passes import Backward, Batch, Passes

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "train.ipynb"
MODULE = "train_cells_run"
TINY: Mapping[str, Constant] = {
    "DEPTH": 2,
    "HEADS": 2,
    "GATE_INPUTS": 12,
    "HEAD_DIM": 32,
    "MLP_RATIO": 2,
    "DEVICE_BATCH_SIZE": 4,
    "COMPILE": False,
}

NIGHT: Mapping[str, Constant] = {
    **profiles.find("h100").constants,
    "DEPTH": 3,
    "HEADS": 2,
    "HEAD_DIM": 32,
    "WINDOWS": "SL",
    "DEVICE_BATCH_SIZE": 4,
    "COMPILE": False,
}
"""The profile of large GPUs, small."""


class TinyRun:
    """Stands in for the kernel's run: counts steps where that one counts seconds."""

    vocab_size = 64
    context = 32

    def __init__(self, steps: int, precision: torch.dtype, device: str, most_rows: int) -> None:
        self.device = torch.device(device)
        half = precision is torch.float16
        self.scaler = torch.amp.GradScaler(device, enabled=half, growth_interval=10)
        self.said: list[str] = []
        self.progress = 0.0
        self.losses: list[float] = []
        self.tokens = 0
        self.submitted: nn.Module | None = None
        self._steps = steps
        self._precision = precision
        self._most_rows = most_rows
        self._passes = Passes(self.said.append)

    def autocast(self) -> torch.autocast:
        return autocast_to(self.device, self._precision)

    def accumulate(self, backward: Backward, batches: Sequence[Batch], model: nn.Module) -> Tensor:
        """Adds up gradients in a memory that holds `most_rows` rows."""
        limited = with_memory_for(self._most_rows, backward)
        return self._passes.gradients(limited, batches, model.zero_grad)

    def batches(self, rows: int, context: int) -> Iterator[Batch]:
        """Rows that count upward from anywhere: learnt in a few steps."""
        draw = torch.Generator().manual_seed(0)
        while True:
            start = torch.randint(self.vocab_size, (rows, 1), generator=draw)
            tokens = (start + torch.arange(context + 1)) % self.vocab_size
            yield tokens[:, :-1].to(self.device), tokens[:, 1:].to(self.device)

    def steps(self) -> Iterator[int]:
        for step in range(self._steps):
            self.progress = step / self._steps
            yield step

    def log(self, *, loss: float, tokens: int) -> None:
        self.losses.append(loss)
        self.tokens += tokens

    def submit(self, model: nn.Module) -> None:
        self.submitted = model


def with_memory_for(rows: int, backward: Backward) -> Backward:
    """The same pass on a device whose memory holds no more rows: ends as CUDA's allocator does.

    It ends after the backward pass, when gradients are there already.
    """

    def limited(inputs: Tensor, targets: Tensor, share: float) -> Tensor:
        loss = backward(inputs, targets, share)
        if len(inputs) > rows:
            raise torch.OutOfMemoryError(f"{len(inputs)} rows")
        return loss

    return limited


def train(
    constants: Mapping[str, Constant] | None = None,
    steps: int = 1,
    precision: torch.dtype = torch.float32,
    device: str = "cpu",
    most_rows: int = 1000,
) -> tuple[TinyRun, nn.Module]:
    """Run all cells for a number of steps; the run, and the model that it got."""
    run = TinyRun(steps, precision, device, most_rows)
    execute(run, {**TINY, **(constants or {})})
    assert run.submitted is not None
    return run, run.submitted


def execute(run: object, constants: Mapping[str, Constant], until: str = "") -> dict[str, object]:
    """Run the cells before the one named `until`, or all; return what they define.

    They run as a module, since torch.compile imports that of a function which it inlines; what is
    pickled takes its code along all the same, as out of a notebook.
    """
    torch.manual_seed(0)
    notebook = TrainNotebook.read(NOTEBOOK).set_constants(constants)
    module = sys.modules[MODULE] = ModuleType(MODULE)
    cloudpickle.register_pickle_by_value(module)
    namespace = vars(module)
    with patch.object(kernel, "start", lambda *_: run):
        for cell in takewhile(lambda cell: cell.name != until, notebook.cells):
            if not cell.markdown:
                exec(compile(cell.source, cell.name, "exec"), namespace)
    return namespace
