"""Trainings that are measured: the notebook's own cells, and upstream's model, in this process."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import cast

import numpy as np
import torch
import upstream
from torch import Tensor, nn

from autoresearch_kit.machine import precision
from autoresearch_kit.records import Constant
from autoresearch_kit.tasks.lm import bits_per_byte
from autoresearch_kit.tasks.lm.batches import batches
from autoresearch_kit.tasks.lm.dataset import Dataset
from autoresearch_kit.tasks.lm.splits import Split
from autoresearch_kit.training.kernel import Backward, Batch, Passes
from tests.shipped.train_cells import GPU_NOTEBOOK, NOTEBOOK, execute

SEED = 0
"""Seeds the order of rows: every training sees the same ones."""

SCORED_ROWS = 8
"""Rows in a forward pass of scoring."""

WARM_UP = 3
"""Steps that are not counted: the first compile."""


@dataclass(frozen=True)
class Case:
    """A training to measure: `theirs` is upstream's own model and step, `eager` has no autocast."""

    name: str
    constants: Mapping[str, Constant]
    vocab_size: int
    context: int
    theirs: bool = False
    eager: bool = False
    notebook: Path = GPU_NOTEBOOK


class Stopwatch:
    """Stands in for the notebook's `run`: makes tokens up, and times each step.

    `ends` has the clock and the processor time at the end of each step.
    """

    def __init__(self, case: Case, steps: int) -> None:
        self.vocab_size, self.context = case.vocab_size, case.context
        self.device = precision.device()
        self.scaler = precision.loss_scaler(self.device)
        self.progress = 0.0
        self.said: list[str] = []
        self.ends: list[tuple[float, float]] = []
        self.step_tokens = 0
        self.submitted: nn.Module | None = None
        self._eager, self._steps = case.eager, steps
        self._passes = Passes(self.said.append)

    def autocast(self) -> torch.autocast:
        """The kit's, or none."""
        if self._eager:
            return precision.autocast_to(self.device, torch.float32)
        return precision.autocast(self.device)

    def batches(self, rows: int) -> Iterator[Batch]:
        """Yield the same four batches over and over, copied to the device each time."""
        draw = torch.Generator().manual_seed(0)
        made = [
            torch.randint(self.vocab_size, (rows, self.context + 1), generator=draw) for _ in "1234"
        ]
        for tokens in cycle(made):
            here = tokens.to(self.device, non_blocking=True)
            yield here[:, :-1].contiguous(), here[:, 1:].contiguous()

    def accumulate(self, backward: Backward, batches: Sequence[Batch], model: nn.Module) -> Tensor:
        """Accumulate as in a campaign, so that a device batch that is too large is halved."""
        return self._passes.gradients(backward, batches, model.zero_grad)

    def steps(self) -> Iterator[int]:
        """Yield so many steps and those to warm up, each to its end on the device."""
        for step in range(self._steps + WARM_UP):
            self.progress = step / (self._steps + WARM_UP)
            yield step
            self._lap()

    def log(self, *, loss: float, tokens: int) -> None:  # noqa: ARG002 - what a notebook calls
        """Notes how many tokens a step has."""
        self.step_tokens = tokens

    def submit(self, model: nn.Module) -> None:
        """Takes the model, whose products are counted."""
        self.submitted = model

    def _lap(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        self.ends.append((time.perf_counter(), time.process_time()))


class OnRows(Stopwatch):
    """Trains on a prepared data set for so many seconds, counted from the end of the warm-up."""

    def __init__(self, case: Case, dataset: Dataset, seconds: float) -> None:
        super().__init__(case, steps=0)
        self._dataset, self._seconds = dataset, seconds

    def batches(self, rows: int) -> Iterator[Batch]:
        """Yield a campaign's batches."""
        pinned = self.device.type == "cuda"
        for batch in batches(self._dataset.train, self.context, rows, SEED):
            x, y = (part.pin_memory() if pinned else part for part in batch)
            yield x.to(self.device, non_blocking=pinned), y.to(self.device, non_blocking=pinned)

    def steps(self) -> Iterator[int]:
        """Yield steps until the seconds are over, each to its end on the device."""
        for step in count():
            if len(self.ends) >= WARM_UP:
                spent = time.perf_counter() - self.ends[WARM_UP - 1][0]
                self.progress = min(1.0, spent / self._seconds)
            if self.progress >= 1:
                return
            yield step
            self._lap()

    @torch.inference_mode()
    def val_bpb(self, model: nn.Module) -> float:
        """Score the model on the rows that a campaign's judge takes."""
        logits = model.logits if isinstance(model, upstream.Model) else model.eval()

        val, info = self._dataset.shard(Split.VAL), self._dataset.info
        inputs, targets = bits_per_byte.rows(val, info.eval_rows)
        losses = []
        for start in range(0, len(inputs), SCORED_ROWS):
            part = torch.from_numpy(inputs[start : start + SCORED_ROWS])
            with self.autocast():
                predicted = cast(Tensor, logits(part.to(self.device))).float().cpu().numpy()
            wanted = targets[start : start + SCORED_ROWS]
            losses.append(bits_per_byte.nats_per_token(predicted, wanted))
        sizes = self._dataset.token_bytes.astype("int64")
        return bits_per_byte.sums(np.concatenate(losses), targets, sizes).value


def take_ours(run: Stopwatch, case: Case) -> nn.Module:
    """Train the notebook's own model; on a CPU, the one for GPUs is not compiled."""
    compiled = torch.cuda.is_available() or case.notebook == NOTEBOOK
    with torch.compiler.set_stance("default" if compiled else "force_eager"):
        execute(run, case.notebook, case.constants)
    assert run.submitted is not None
    return run.submitted


def take_theirs(run: Stopwatch, case: Case) -> nn.Module:
    """Return upstream's model and step at the sizes of `case`, with the notebook's attention."""
    cells = execute(run, case.notebook, case.constants, until="intro-muon")
    ours = cast(nn.Module, cells["model"])
    layers = [layer for layer in ours.modules() if hasattr(layer, "window")]
    windows = tuple(cast(int, layer.window) for layer in layers if isinstance(layer.window, int))
    heads, head_dim = (int(case.constants[name]) for name in ("HEADS", "HEAD_DIM"))
    sizes = upstream.Sizes(case.vocab_size, case.context, heads, head_dim, windows)
    attend = cast(upstream.Attend, cells["attention"])
    del ours, cells
    model = upstream.Model(sizes, attend, run.device)
    rows, passes = (int(case.constants[n]) for n in ("DEVICE_BATCH_SIZE", "GRAD_ACCUMULATION"))
    batches, step = run.batches(rows), upstream.Step(model, passes, run.autocast)
    for _ in run.steps():
        run.log(loss=step(batches, run.progress), tokens=rows * case.context * passes)
    return model
