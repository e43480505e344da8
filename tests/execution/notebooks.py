"""Tiny training notebooks, one per way to fail, and a data set made by hand."""

from pathlib import Path

import nbformat
import numpy as np
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from autoresearch_kit.records import Clock, DatasetInfo, RunSpec, SandboxLevel
from autoresearch_kit.records.codec import encode

VOCAB = 64
CONTEXT = 32
ROWS = 16

HAND_OVER = """
import json, os
work = os.environ['AUTORESEARCH_WORK']
open(work + '/submission.pkl', 'wb').close()
with open(work + '/part', 'w') as file:
    json.dump({'steps': 7, 'tokens': 70, 'compile_seconds': COMPILED}, file)
os.rename(work + '/part', work + '/submission.json')
"""
"""A submit cell without torch, for tests of everything but the score."""

PARAMETERS = "SEED = 0\nTRAIN_SECONDS = 1.0\nDATASET = 'toy'\nCOMPILED = 0.0"


def cell(name: str, source: str, *tags: str) -> NotebookNode:
    metadata = {"name": name, "tags": list(tags)}
    made: NotebookNode = new_code_cell(source, id=name, metadata=metadata)
    return made


def notebook(
    train: str, *, setup: str = "import os", model: str = "", submit: str = HAND_OVER
) -> NotebookNode:
    """Make a notebook laid out as the real one, with the sources given."""
    cells = [
        cell("parameters", PARAMETERS, "parameters", "locked"),
        cell("setup", setup, "locked"),
        cell("model", model, "editable"),
        cell("train", train, "editable"),
        cell("submit", submit, "locked"),
    ]
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made: NotebookNode = new_notebook(cells=cells, metadata={"kernelspec": kernelspec})
    return made


def make_dataset(folder: Path) -> Path:
    """Make a data set of noise, complete as far as kernel and judge read it."""
    draw = np.random.default_rng(0)
    counts = {"train": 124 * (CONTEXT + 1), "val": 31 * (CONTEXT + 1), "audit": 31 * (CONTEXT + 1)}
    for split, count in counts.items():
        (folder / split).mkdir(parents=True)
        tokens = draw.integers(1, VOCAB, count).astype("<u2")
        tokens[::100] = 0
        tokens.tofile(folder / split / "tokens.bin")
    np.save(folder / "token_bytes.npy", np.array([0, *[1] * (VOCAB - 1)], dtype=np.uint16))
    info = DatasetInfo(
        name="toy",
        vocab_size=VOCAB,
        context=CONTEXT,
        eval_rows=ROWS,
        train_tokens=counts["train"],
        val_tokens=counts["val"],
        audit_tokens=counts["audit"],
        train_bytes=4000,
        val_bytes=1000,
        audit_bytes=1000,
        corpus="c",
        tokenizer="t",
        packing="p",
        xz_bpb=8.0,
    )
    (folder / "dataset.json").write_bytes(encode(info))
    return folder


def make_spec(
    folder: Path,
    book: NotebookNode,
    *,
    sandbox: SandboxLevel,
    ahead: bool = False,
    run_id: str = "",
    train_seconds: float = 5.0,
    wall_seconds: float = 120.0,
    compile_seconds: float = 30.0,
    memory_mb: float = 8000.0,
    gpu_memory_mb: float | None = None,
    clock: Clock = Clock.WALL,
) -> RunSpec:
    """Make all that `execute` needs, under `folder`."""
    run = folder / "run"
    run.mkdir()
    nbformat.write(book, run / "input.ipynb")
    return RunSpec(
        run_id=run_id or f"test-{folder}",
        folder=run,
        notebook=run / "input.ipynb",
        dataset=make_dataset(folder / "data" / "toy"),
        kit=Path(__file__).parents[2],
        compile_cache=folder / "cache",
        seed=3,
        train_seconds=train_seconds,
        wall_seconds=wall_seconds,
        compile_seconds=compile_seconds,
        memory_mb=memory_mb,
        gpu_memory_mb=gpu_memory_mb,
        sandbox=sandbox,
        waits=False,
        ahead=ahead,
        clock=clock,
    )
