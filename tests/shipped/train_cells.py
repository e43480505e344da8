"""Runs the cells of the training notebooks in this process, on tiny sizes and made-up tokens."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import cloudpickle
import torch
from torch import Tensor, nn

from autoresearch_kit.machine.precision import autocast_to
from autoresearch_kit.machine.profiles import LARGE_NOTEBOOK, SMALL_NOTEBOOK
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Constant
from autoresearch_kit.training import kernel
from autoresearch_kit.training.kernel import Backward, Batch, Passes

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / SMALL_NOTEBOOK
GPU_NOTEBOOK = ROOT / LARGE_NOTEBOOK
MODULE_NUMBERS = count()
TINY: Mapping[Path, Mapping[str, Constant]] = {
    NOTEBOOK: {"HEAD_DIM": 32, "MLP_RATIO": 2, "COMPILE": False},
    GPU_NOTEBOOK: {
        "DEPTH": 3,
        "HEADS": 2,
        "HEAD_DIM": 32,
        "WINDOWS": "SL",
        "DEVICE_BATCH_SIZE": 4,
    },
}


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
        """Add up gradients in a memory that holds `most_rows` rows.

        Memory ends after the backward pass, as CUDA's allocator may, when gradients are there.
        """

        def limited(batches: Sequence[Batch]) -> Tensor:
            loss = backward(batches)
            rows = len(batches[0][0])
            if rows > self._most_rows:
                raise torch.OutOfMemoryError(f"{rows} rows")
            return loss

        return self._passes.gradients(limited, batches, model.zero_grad)

    def batches(self, rows: int) -> Iterator[Batch]:
        """Yield rows that count upward from anywhere: learnt in a few steps."""
        draw = torch.Generator().manual_seed(0)
        while True:
            start = torch.randint(self.vocab_size, (rows, 1), generator=draw)
            tokens = (start + torch.arange(self.context + 1)) % self.vocab_size
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


def train(
    notebook: Path,
    constants: Mapping[str, Constant] | None = None,
    steps: int = 1,
    precision: torch.dtype = torch.float32,
    device: str = "cpu",
    most_rows: int = 1000,
) -> tuple[TinyRun, nn.Module]:
    """Run all cells, uncompiled, for a number of steps; return the run and the model it got."""
    run = TinyRun(steps, precision, device, most_rows)
    with torch.compiler.set_stance("force_eager"):
        execute(run, notebook, {**TINY[notebook], **(constants or {})})
    assert run.submitted is not None
    return run, run.submitted


def execute(
    run: object, path: Path, constants: Mapping[str, Constant], until: str = ""
) -> dict[str, object]:
    """Run the cells before the one named `until`, or all; return what they define.

    They run as a module of their own, since torch.compile imports by name that of a function which
    it inlines; what is pickled takes its code along all the same, as out of a notebook.
    """
    torch.manual_seed(0)
    notebook = TrainNotebook.read(path).set_constants(constants)
    name = f"train_cells_{next(MODULE_NUMBERS)}"
    module = sys.modules[name] = ModuleType(name)
    cloudpickle.register_pickle_by_value(module)
    namespace = vars(module)
    with patch.object(kernel, "start", lambda *_: run):
        for cell in takewhile(lambda cell: cell.name != until, notebook.cells):
            if not cell.markdown:
                exec(compile(cell.source, cell.name, "exec"), namespace)
    return namespace
