"""A project with a tiny model, small enough to try many experiments in a test."""

import random
import subprocess
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from autoresearch_kit.campaign.options import Options
from autoresearch_kit.records import Clock, Rule

CELLS = {
    "parameters": """
SEED = 0
TRAIN_SECONDS = 1.0
DATASET = "stdlib"
""",
    "setup": """
import torch
import torch.nn.functional as F
from autoresearch_kit.training import kernel

run = kernel.start(DATASET, TRAIN_SECONDS, SEED)
""",
    "config": """
BATCH = 4  # rows a step; 1..16
RATE = 0.03  # learning rate; 0.001..1 log
WIDTH = 8  # of the embedding; 4..64
""",
    "model": """
class Bigram(torch.nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.embed = torch.nn.Embedding(vocab, width)
        self.head = torch.nn.Linear(width, vocab)

    def forward(self, tokens):
        return self.head(self.embed(tokens))


model = Bigram(run.vocab_size, WIDTH).to(run.device)
optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
""",
    "train": """
batches = run.batches(BATCH)
for step in run.steps():
    inputs, targets = next(batches)
    with run.autocast():
        logits = model(inputs)
    loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    run.log(loss=loss.item(), tokens=inputs.numel())
""",
    "submit": "run.submit(model)",
}
LOCKED = ("parameters", "setup", "submit")


def tags(name: str) -> list[str]:
    if name not in LOCKED:
        return ["editable"]
    return ["parameters", "locked"] if name == "parameters" else ["locked"]


def notebook_text(**changed: str) -> str:
    """Return the tiny training notebook, cells replaced by name."""
    cells = []
    for name, source in (CELLS | changed).items():
        cell = new_code_cell(source.strip(), id=name)
        cell.metadata = {"name": name, "tags": tags(name)}
        cells.append(cell)
    book = new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    return str(nbformat.writes(book)) + "\n"


def options(corpus: Path, train_seconds: float = 1.0, *, researcher: str | None = None) -> Options:
    """One run an experiment, whatever else the machine does: most tests are not about repeats.

    By the wall-clock, since beside other tests a second of the CPU clock takes several.
    """
    return Options(
        dataset=str(corpus),
        notebook="notebooks/train.ipynb",
        train_seconds=train_seconds,
        researcher=researcher,
        rule=Rule.GREEDY,
        max_elsewhere=1.0,
        clock=Clock.WALL,
    )


def write_corpus(path: Path, size: int = 300_000) -> Path:
    """Return a text with something to learn: words that follow each other by habit."""
    rng = random.Random(0)
    words = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]
    text, word = "", 0
    while len(text) < size:
        word = (word * 7 + rng.randrange(5)) % len(words)
        text += words[word] + (".\n" if rng.random() < 0.1 else " ")
    path.write_text(text)
    return path


def git(root: Path, *argv: str) -> str:
    done = subprocess.run(["git", *argv], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout


def make_project(root: Path, **changed: str) -> Path:
    """Return a git repository with the tiny notebook, one commit."""
    (root / "notebooks").mkdir(parents=True)
    (root / "notebooks" / "train.ipynb").write_text(notebook_text(**changed))
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    git(root, *identity, "commit", "-q", "-m", "begin")
    return root
