"""Count how often the causality probe refuses honest models and misses a look ahead.

    python benchmarks/causality.py [--probes 30] [--cheats 100] [--dataset stdlib]

Small models are trained in this process on rows of 64 tokens of the data set, and probed by the
judge's own code on 128 rows of its val text. Honest ones, of each kind, with logits of three
scales, in three precisions; then a bigram table that adds 9 to the next token's logit at a share f
of all positions. One that draws or finds those places anew in the changed text betrays itself there
as well, so that it is found more often than by the formula. The experts' products have other shapes
in each batch, so that they are rounded differently; no model of the notebook's does that.
"""

import argparse
import copy
import os
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autoresearch_kit.campaign import context
from autoresearch_kit.execution.judge import causality
from autoresearch_kit.execution.judge.logits import Floats, HostLogits, Ints
from autoresearch_kit.execution.judge.scoring import ScoreFailure
from autoresearch_kit.execution.judge.shard import Predict, Shard
from autoresearch_kit.machine.precision import autocast_to
from autoresearch_kit.tasks.lm.dataset import Dataset, open_dataset
from autoresearch_kit.tasks.lm.splits import Split

CONTEXT, ROWS, BATCH, WIDTH = 64, 128, 8, 64
SCALES = (1.0, 3.0, 10.0)
PRECISIONS = (torch.float32, torch.bfloat16, torch.float16)
SHARES = (8, 16, 32, 64, 128, 256)
SCORINGS = 5
"""Scorings of a cheat, each probed as often: where it cheats may be chance."""

CPU = torch.device("cpu")


class Attending(nn.Module):
    """A block of causal attention."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - as of any module
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (6, -1)).transpose(1, 2).chunk(3, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + y.transpose(1, 2).flatten(2)


class Convolving(nn.Module):
    """A block that mixes each position with the four before it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mix = nn.RMSNorm(WIDTH), nn.Conv1d(WIDTH, WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - as of any module
        y: Tensor = self.mix(F.pad(self.norm(x).transpose(1, 2), (4, 0)))
        return x + y.transpose(1, 2).relu()


class Routing(nn.Module):
    """A block that sends each token to one of four experts."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.route = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, 4)
        self.experts = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - as of any module
        y = self.norm(x)
        chance, chosen = self.route(y).softmax(-1).max(-1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            here = chosen == number
            out[here] = (expert(y[here]).relu() * chance[here][:, None]).to(x.dtype)
        return x + out


def language_model(vocab_size: int, *blocks: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Embedding(vocab_size, WIDTH), *blocks, nn.Linear(WIDTH, vocab_size))


class Scaled(nn.Module):
    """A model whose logits are `scale` times as large."""

    def __init__(self, model: nn.Module, scale: float) -> None:
        super().__init__()
        self.model, self.scale = model, scale

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - as of any module
        logits: Tensor = self.model(x)
        return self.scale * logits


def kinds(vocab_size: int) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    bigram = nn.Embedding(vocab_size, vocab_size)
    nn.init.zeros_(bigram.weight)
    return {
        "bigram": bigram,
        "transformer": language_model(vocab_size, Attending(), Attending()),
        "convolution": language_model(vocab_size, Convolving(), Convolving()),
        "experts": language_model(vocab_size, Attending(), Routing(), Attending(), Routing()),
    }


def cut_rows(dataset: Dataset) -> tuple[Shard, Tensor]:
    """Return rows of `CONTEXT` tokens: those to score, and all of the training text."""
    size = CONTEXT + 1
    train, val = (
        tokens[: len(tokens) // size * size].reshape(-1, size)
        for tokens in map(dataset.tokens, (Split.TRAIN, Split.VAL))
    )
    spread = val[:: len(val) // ROWS][:ROWS].astype(np.int64)
    sizes = np.ones(dataset.info.vocab_size, np.int64)
    shard = Shard(spread[:, :-1], spread[:, 1:], sizes, train)
    return shard, torch.from_numpy(train.astype(np.int64))


def train(model: nn.Module, rows: Tensor, steps: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        batch = rows[torch.randint(len(rows), (32,))]
        loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


def predictor(model: nn.Module, precision: torch.dtype) -> Predict:
    """Return a fresh copy of the model, as a predictor asks it."""
    fresh = copy.deepcopy(model).eval()

    def predict(inputs: Ints) -> HostLogits:
        with torch.inference_mode(), autocast_to(CPU, precision):
            logits: Tensor = fresh(torch.from_numpy(inputs.copy()))
        return HostLogits(logits.float().numpy())

    return predict


def score(shard: Shard, model: nn.Module, precision: torch.dtype = torch.float32) -> Floats:
    return shard.losses(predictor(model, precision), BATCH)


def changes(
    shard: Shard, scored: Floats, model: nn.Module, precision: torch.dtype = torch.float32
) -> npt.NDArray[np.float64]:
    predict, seed = predictor(model, precision), int.from_bytes(os.urandom(7))
    return causality.probe(shard, scored, predict, BATCH, wanted=causality.POSITIONS, seed=seed)


def refused(found: npt.NDArray[np.float64]) -> bool:
    try:
        causality.check(found, BATCH)
    except ScoreFailure:
        return True
    return False


def honest(shard: Shard, models: dict[str, nn.Module], probes: int) -> Iterator[str]:
    """Yield a line for each kind and precision."""
    yield "| model | precision | probes | refused | mean change | largest |"
    yield "|---|---|---:|---:|---:|---:|"
    for name, model in models.items():
        for precision in PRECISIONS:
            found = []
            for scale in SCALES:
                scaled = Scaled(model, scale)
                scored = score(shard, scaled, precision)
                found += [changes(shard, scored, scaled, precision) for _ in range(probes)]
            every = abs(np.concatenate(found))
            yield (
                f"| {name} | {str(precision).removeprefix('torch.')} | {len(found)} "
                f"| {sum(map(refused, found))} | {every.mean():.1g} | {every.max():.1g} |"
            )


Where = Callable[[Tensor, Tensor], Tensor]
"""Inputs `[B, T]` and logits `[B, T, V]` to the places where to look ahead, bool `[B, T]`."""


class Ahead(nn.Module):
    """Adds 9 to the next token's logit in some places."""

    def __init__(self, model: nn.Module, where: Where) -> None:
        super().__init__()
        self.model, self.where = model, where

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - as of any module
        logits: Tensor = self.model(x)
        nats = 9.0 * self.where(x, logits)[..., None]
        return logits.scatter_add_(-1, x.roll(-1, 1)[..., None], nats)


def cheats(shard: Shard, losses: Floats, share: int) -> dict[str, Where]:
    """Return ways to choose one in `share` positions; `losses` `[N, T]` are the honest model's."""
    place = torch.arange(CONTEXT)
    keys = torch.from_numpy(shard.inputs[: max(1, ROWS // share), :8].copy())
    high = float(np.quantile(losses[:, :-1], 1 - 1 / share))

    def by_chance(x: Tensor, _: Tensor) -> Tensor:
        return torch.from_numpy(np.random.default_rng().random(x.shape) < 1 / share)

    def by_text(x: Tensor, _: Tensor) -> Tensor:
        mixed = x * 7919 + F.pad(x, (1, -1)) * 104_729 + place * 1_299_709
        return mixed * 2_654_435_761 % 2**32 < 2**32 / share

    def in_few_rows(x: Tensor, _: Tensor) -> Tensor:
        known = (x[:, None, :8] == keys).all(-1).any(1)
        return known[:, None] & (place >= CONTEXT * (1 - min(1.0, ROWS / share)))

    def at_high_losses(x: Tensor, logits: Tensor) -> Tensor:
        loss = logits.logsumexp(-1) - logits.gather(-1, x.roll(-1, 1)[..., None])[..., 0]
        return (loss > high) & (place < CONTEXT - 1)

    return {
        "by chance": by_chance,
        "by the text": by_text,
        "in few rows": in_few_rows,
        "at the highest losses": at_high_losses,
    }


def dishonest(shard: Shard, model: nn.Module, probes: int) -> Iterator[str]:
    """Yield a line for each share: how often it is found, and what that costs in nats."""
    names = list(cheats(shard, np.zeros((ROWS, CONTEXT), np.float32), 8))
    yield f"| one in | 1 - (1 - f)^n | {' | '.join(names)} | nats gained | in three runs |"
    yield f"|---:|---:|{'---:|' * len(names)}---:|---:|"
    scored = score(shard, model)
    for share in SHARES:
        found, gains = [], []
        for where in cheats(shard, scored, share).values():
            cheat = Ahead(model, where)
            ahead = [score(shard, cheat) for _ in range(SCORINGS)] * (probes // SCORINGS)
            gains.append(float(scored.mean() - ahead[0].mean()))
            found.append(sum(refused(changes(shard, one, cheat)) for one in ahead) / len(ahead))
        one, three = (1 - (1 - 1 / share) ** (runs * causality.POSITIONS) for runs in (1, 3))
        told = " | ".join(f"{rate:.1%}" for rate in found)
        yield (
            f"| {share} | {one:.1%} | {told} | {min(gains):.3f} to {max(gains):.3f} | {three:.1%} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--probes", type=int, default=30, help="of each model, scale and precision")
    parser.add_argument("--cheats", type=int, default=100, help="probes of each way and share")
    parser.add_argument("--dataset", default="stdlib")
    given = parser.parse_args()
    torch.set_num_threads(1)  # products are too small to share
    dataset = open_dataset(context.prepare(given.dataset))
    shard, rows = cut_rows(dataset)
    models = kinds(dataset.info.vocab_size)
    for name, model in models.items():
        train(model, rows, steps=300)
        print(f"{name}: {score(shard, model).mean():.3f} nats a token", flush=True)
    for line in honest(shard, models, given.probes):
        print(line, flush=True)
    for line in dishonest(shard, models["bigram"], given.cheats):
        print(line, flush=True)


if __name__ == "__main__":
    main()
