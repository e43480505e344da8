"""Small training notebooks for the tests of what edits and reads them."""

import json

CONFIG = """\
# The rates were found on a laptop.
DEPTH = 2  # layers; 1..8
MATRIX_LR = 0.04  # Muon's learning rate; 0.001..0.1 log
WARMDOWN = 0.8  # share of the budget; see the schedule
WINDOW = "SL"  # short and long; one of L, SL, SSL
USE_SMEAR = True  # mix in the token before
SOFT_CAP = -15.0
VOCAB = 1024; HEADS = 3  # fixed by the corpus; fixed
WIDTH = 64 * DEPTH
"""

MODEL = '''\
"""The model."""


def forward(x):
    """Twice x."""
    return x * DEPTH  # deeper
'''


def cell(name: str, source: str, *tags: str, kind: str = "code") -> dict[str, object]:
    code = {"execution_count": 3, "outputs": []} if kind == "code" else {}
    metadata = {"name": name, "tags": list(tags)} if name else {}
    return code | {"cell_type": kind, "id": "x", "metadata": metadata, "source": source}


def prose(text: str) -> dict[str, object]:
    return cell("", text, kind="markdown")


def cells() -> list[dict[str, object]]:
    return [
        prose("# Training"),
        cell("parameters", "SEED = 1", "parameters", "locked"),
        cell("setup", "import torch", "locked"),
        prose("## Constants"),
        cell("config", CONFIG, "editable"),
        prose("## Model"),
        cell("model", MODEL, "editable"),
        prose("## Loop"),
        cell("train", "for step in run.steps():\n    pass\n", "editable"),
        cell("submit", "run.submit(model)", "locked"),
    ]


def text(changed: list[dict[str, object]] | None = None) -> str:
    return json.dumps(
        {"cells": changed or cells(), "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    )
