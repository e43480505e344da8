"""The base of all cheats: their form, the honest notebook, and a text on which cheating would pay.

In a row, a token often follows from the one before (`5 t + 1`, everywhere); or by a habit of
val or audit only, which no training text tells; or it is one of the row's few favourites.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nbformat import NotebookNode

from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Clock, DatasetInfo, Reason, RunSpec
from autoresearch_kit.records.codec import encode
from tests.execution.notebooks import CONTEXT, HAND_OVER, VOCAB, make_spec, notebook

ROWS = 70

SETUP = """
import torch
from torch import nn
from torch.nn import functional as F
from autoresearch_kit.training import kernel
run = kernel.start(DATASET, TRAIN_SECONDS, SEED)
"""

MODEL = """
class Bigram(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(64, 64)
        nn.init.zeros_(self.table.weight)

    def forward(self, x):
        return self.table(x)

model = Bigram()
"""


def model_with(forward: str, *, init: str = "") -> str:
    """Return a model cell whose class has this forward, and the honest table."""
    return f"""
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(64, 64)
        nn.init.zeros_(self.table.weight)
        {init}

    def forward(self, x):
        {forward.strip()}

model = Model()
"""


LEARN = """
optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)
batches = run.batches(8)

def learn():
    x, y = next(batches)
    loss = F.cross_entropy(model(x).flatten(0, 1).float(), y.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss
"""

TRAIN = (
    LEARN
    + """
for step in run.steps():
    run.log(loss=learn(), tokens=256)
    if step == 39:
        break
"""
)
"""Trains for 40 steps whatever the machine's load: equal code and seed give an equal score."""

SUBMIT = "run.submit(model)"


@dataclass(frozen=True)
class Cells:
    """The sources of a notebook's cells."""

    train: str = TRAIN
    model: str = MODEL
    setup: str = SETUP
    submit: str = SUBMIT

    def book(self) -> NotebookNode:
        return notebook(self.train, setup=self.setup, model=self.model, submit=self.submit)


HONEST = Cells()
"""The notebook that every cheat adds something to."""


def no_torch(train: str, model: str = "") -> Cells:
    """Return a notebook that ends before there is anything to score."""
    return Cells(train, model, "import os, time", HAND_OVER)


@dataclass(frozen=True)
class Cheat:
    """A notebook that fakes progress, and how it ends.

    Without a `reason` it gets a score, which is then no lower than that of `HONEST`. `details` are
    in the failure's. `evidence` is in what it prints: that it did what it meant to do; `leaves` is
    a file that it then left in the work folder. `needs`: whether what it needs is there.
    """

    name: str
    cells: Cells
    reason: Reason | None = None
    details: Sequence[str] = ()
    evidence: Sequence[str] = ()
    leaves: str = ""
    train_seconds: float = 60.0
    compile_seconds: float = 90.0
    memory_mb: float = 4000.0
    needs: bool = True


def make_run(folder: Path, cheat: Cheat) -> RunSpec:
    """Return the spec of a run of these cells on a data set of this suite."""
    spec = make_spec(
        folder,
        cheat.cells.book(),
        sandbox=bubblewrap.level(),
        train_seconds=cheat.train_seconds,
        memory_mb=cheat.memory_mb,
        wall_seconds=280.0,
        compile_seconds=cheat.compile_seconds,
    )
    return replace(spec, dataset=make_habits(folder / "habits"), clock=Clock.CPU)


def make_habits(folder: Path) -> Path:
    """Make the data set; the standard library's `turtle` counts as a file that holds val text."""
    length = ROWS * (CONTEXT + 1)
    for number, shard in enumerate(("train", "val", "audit")):
        (folder / shard).mkdir(parents=True)
        _text(length * (8 if shard == "train" else 1), number).tofile(folder / shard / "tokens.bin")
    np.save(folder / "token_bytes.npy", np.ones(VOCAB, dtype=np.uint16))
    import turtle

    info = DatasetInfo(
        name="habits",
        vocab_size=VOCAB,
        context=CONTEXT,
        eval_rows=ROWS,
        train_tokens=8 * length,
        val_tokens=length,
        audit_tokens=length,
        train_bytes=8 * length,
        val_bytes=length,
        audit_bytes=length,
        corpus="c",
        tokenizer="t",
        packing="p",
        xz_bpb=8.0,
        hidden=(turtle.__file__,),
    )
    (folder / "dataset.json").write_bytes(encode(info))
    return folder


def _text(length: int, shard: int) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    draw = np.random.default_rng(shard)
    favourites = draw.integers(0, VOCAB, (length // (CONTEXT + 1), 6))
    chances, picks = draw.random(length), draw.integers(0, 6, length)
    tokens = np.zeros(length, dtype=np.uint16)
    for at in range(1, length):
        before = int(tokens[at - 1])
        if chances[at] < 0.4:
            tokens[at] = (5 * before + 1) % VOCAB
        elif chances[at] < 0.7 and shard:
            tokens[at] = (7 * before + 3 + 10 * shard) % VOCAB
        else:
            tokens[at] = favourites[at // (CONTEXT + 1), picks[at]]
    return tokens
