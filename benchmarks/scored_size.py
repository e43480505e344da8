"""Compare the error of scoring some rows only with the noise of runs, by their number.

    python benchmarks/scored_size.py [--seconds 60] [--dataset stdlib] [--variant depth-1]

Trains the training notebook, with this machine's profile, through the whole kit, with two seeds and
in one variant (see `cpu_profile.py`), and scores all rows of the val shard, one by one. What two
models differ by is not the same in every row; from how much that varies follows the standard error
of the difference when only n rows are scored: every comparison of a campaign is one of the same
rows, so that what is hard for all models falls out. The noise is what the kit believes of this
machine beforehand.
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from cpu_profile import ROOT, VARIANTS, run
from torch import Tensor

from autoresearch_kit.campaign import context
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.judge import predictor
from autoresearch_kit.execution.judge.shard import BATCH_ROWS
from autoresearch_kit.execution.runner.submission import taken_model
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.machine import precision, profiles
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.tasks.lm.bits_per_byte import nats_per_token, rows
from autoresearch_kit.tasks.lm.dataset import Dataset, open_dataset
from autoresearch_kit.tasks.lm.splits import Split
from autoresearch_kit.verdicts import noise

SIZES = (16, 32, 64, 128, 256, 512, 1280, 2560, 5120, 10240)


def row_nats(model: Path, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Return the nats and bytes of every row of the val shard, float64 `[N]` each."""
    shard = dataset.shard(Split.VAL)
    inputs, targets = rows(shard, len(shard))
    device = precision.device()
    loaded = predictor.load(model, device)
    losses = []
    with torch.inference_mode(), precision.autocast(device):
        for start in range(0, len(inputs), BATCH_ROWS):
            part = slice(start, start + BATCH_ROWS)
            logits = loaded(torch.from_numpy(inputs[part]).to(device)).float().cpu().numpy()
            losses.append(torch.from_numpy(nats_per_token(logits, targets[part])))
    sizes = torch.from_numpy(dataset.token_bytes.astype("int64")[targets])
    return torch.cat(losses).double().where(sizes > 0, 0.0).sum(1), sizes.double().sum(1)


def spread(first: Tensor, second: Tensor, sizes: Tensor) -> tuple[float, float]:
    """Return the difference of two models' scores, and its error by one row, in bits per byte.

    The score is a ratio of sums, of nats and of bytes, so that the error is that of a ratio
    estimator: of what is left of each row's difference without the mean one, by its bytes
    (Cochran, Sampling Techniques, section 6.4).
    """
    change = (first - second) / math.log(2)
    mean = (change.sum() / sizes.sum()).item()
    left = change - mean * sizes
    return mean, (left.std() / sizes.mean()).item()


def table(found: Sequence[tuple[float, float]], context: int, most: int, sigma: float) -> str:
    lines = [
        "| rows | tokens | two seeds | two codes | of the noise |",
        "|---:|---:|---:|---:|---:|",
    ]
    for count in (size for size in SIZES if size <= most):
        errors = [one / math.sqrt(count) for _, one in found]
        share = max(errors) / (math.sqrt(2) * sigma)
        told = " | ".join(f"{error:.5f}" for error in errors)
        lines.append(f"| {count:,} | {count * context:,} | {told} | {share:.0%} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0, help="training budget of a run")
    parser.add_argument("--dataset", default="stdlib")
    parser.add_argument("--variant", default="depth-1", choices=VARIANTS)
    given = parser.parse_args()
    dataset = open_dataset(context.prepare(given.dataset))
    profile = profiles.choose(machine_probe.accelerator())
    baseline = context.with_profile_constants(
        TrainNotebook.read(ROOT / profile.notebook), profile.name
    )
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), "scored-size")
        workspace.create()
        workspace.copy_kit()
        models = []
        for name in ("base-0", "base-1", f"{given.variant}-0"):
            notebook = VARIANTS[name.rpartition("-")[0]].of(baseline).text()
            run(workspace, dataset.folder, notebook, name, given.seconds)
            models.append(row_nats(taken_model(workspace.runs / name), dataset))
    (base, sizes), (again, _), (other, _) = models
    score = (base.sum() / sizes.sum()).item() / math.log(2)
    sigma = noise.prior(score, accelerator=precision.device().type == "cuda").sigma
    found = [spread(base, again, sizes), spread(base, other, sizes)]
    print(f"{len(sizes):,} rows: {score:.4f}; another seed {-found[0][0]:+.4f}, ", end="")
    print(f"{given.variant} {-found[1][0]:+.4f} bits per byte; noise {sigma:.4f}\n")
    print(table(found, dataset.info.context, len(sizes), sigma))


if __name__ == "__main__":
    main()
