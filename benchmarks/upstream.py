"""The model and the step of karpathy/autoresearch before its night, written anew as a yardstick.

Sizes, structure, schedule and what is compiled are upstream's; attention is the training
notebook's, which is given, since upstream's own comes from a hub.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Attend = Callable[[Tensor, Tensor, Tensor, int], Tensor]

POLAR = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
"""Polar Express: https://arxiv.org/abs/2505.16932"""

MOMENTUM_STEPS = 300
"""Steps in which Muon's momentum rises from 0.85 to 0.95."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of the model; `windows[i]` is how far block i looks back, 0 all the way."""

    vocab_size: int
    context: int
    heads: int
    head_dim: int
    windows: tuple[int, ...]

    @property
    def width(self) -> int:
        """Return the channels of the residual stream."""
        return self.heads * self.head_dim


def norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.size(-1),))


class Block(nn.Module):
    """Attention and MLP; `values` in every second block from the last."""

    def __init__(self, sizes: Sizes, number: int, attend: Attend) -> None:
        super().__init__()
        width = sizes.width
        self.attend, self.window = attend, sizes.windows[number]
        self.head_shape = (sizes.heads, sizes.head_dim)
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.up, self.down = nn.Linear(width, 4 * width, False), nn.Linear(4 * width, width, False)
        self.has_values = (len(sizes.windows) - 1 - number) % 2 == 0
        self.gate = nn.Linear(32, sizes.heads, bias=False) if self.has_values else None
        for layer in (self.query, self.key, self.value, self.up):
            nn.init.uniform_(layer.weight, -((3 / width) ** 0.5), (3 / width) ** 0.5)
        for zero in (self.out, self.down, self.gate):
            if zero is not None:
                nn.init.zeros_(zero.weight)

    def forward(self, x: Tensor, values: Tensor | None, cos: Tensor, sin: Tensor) -> Tensor:
        """Transform the stream [B, T, width], given the tokens' own values."""
        y, shape = norm(x), (*x.shape[:2], *self.head_shape)
        q, k, v = (layer(y).view(shape) for layer in (self.query, self.key, self.value))
        if self.gate is not None and values is not None:
            gate = 2 * torch.sigmoid(self.gate(y[..., :32]))
            v = v + gate.unsqueeze(-1) * values.view(shape)
        q, k = norm(turn(q, cos, sin)), norm(turn(k, cos, sin))
        q, k, v = (t.transpose(1, 2).to(v.dtype) for t in (q, k, v))
        x = x + self.out(self.attend(q, k, v, self.window).transpose(1, 2).flatten(2))
        hidden: Tensor = F.relu(self.up(norm(x))).square()
        return torch.add(x, self.down(hidden))


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


class Model(nn.Module):
    """Embeddings in bfloat16, weights of the stream and of x0 for each block, a cap of 15."""

    def __init__(self, sizes: Sizes, attend: Attend, device: torch.device) -> None:
        super().__init__()
        half = torch.bfloat16 if device.type == "cuda" else torch.float32
        depth, width = len(sizes.windows), sizes.width
        self.blocks = nn.ModuleList(Block(sizes, number, attend) for number in range(depth))
        self.table = nn.Embedding(sizes.vocab_size, width, dtype=half)
        self.values = nn.ModuleDict(
            {
                str(number): nn.Embedding(sizes.vocab_size, width, dtype=half)
                for number in range(depth)
                if (depth - 1 - number) % 2 == 0
            }
        )
        self.head = nn.Linear(width, sizes.vocab_size, bias=False)
        nn.init.normal_(self.head.weight, std=0.001)
        self.stay = nn.Parameter(torch.ones(depth))
        self.again = nn.Parameter(torch.full((depth,), 0.1))
        pairs = torch.arange(0, sizes.head_dim, 2) / sizes.head_dim
        angle = torch.arange(sizes.context).view(-1, 1, 1) * 10_000.0**-pairs
        self.register_buffer("cos", angle.cos().to(half))
        self.register_buffer("sin", angle.sin().to(half))
        self.to(device)

    def forward(self, idx: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss, in nats a token."""
        return F.cross_entropy(self.logits(idx).flatten(0, 1), targets.flatten())

    def logits(self, idx: Tensor) -> Tensor:
        """Map tokens [B, T], int64, to logits [B, T, V], float32."""
        x = first = norm(self.table(idx))
        for number, block in enumerate(self.blocks):
            x = self.stay[number] * x + self.again[number] * first
            values = self.values[str(number)](idx) if str(number) in self.values else None
            x = block(x, values, self.cos, self.sin)
        logits = self.head(norm(x))
        return (15 * torch.tanh(logits / 15)).float()


def adam_step(p: Tensor, grad: Tensor, mean: Tensor, square: Tensor, told: Tensor) -> None:
    """Take a step of AdamW without decay.

    `told` is [rate, 1 - beta1 ** steps, 1 - beta2 ** steps, 1 - beta1]; beta2 is 0.95.
    """
    mean.lerp_(grad, told[3].to(grad.dtype))
    square.lerp_(grad.square(), 0.05)
    p.sub_(told[0] / told[1] * mean / ((square / told[2]).sqrt() + 1e-10))


def muon_step(weights: Tensor, grads: Tensor, mean: Tensor, variance: Tensor, told: Tensor) -> None:
    """Take a step of Muon with NorMuon and cautious decay; `told` is [rate, decay, momentum]."""
    mean.lerp_(grads, 1 - told[2])
    x = grads.lerp(mean, told[2]).bfloat16()
    tall = x.size(-2) > x.size(-1)
    x = x.mT if tall else x
    x = x / (1.02 * x.norm(dim=(-2, -1), keepdim=True) + 1e-6)
    for a, b, c in POLAR:
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    update = (x.mT if tall else x).float()
    power = update.square().mean(-1 if update.size(-2) >= update.size(-1) else -2, keepdim=True)
    variance.lerp_(power, 0.05)
    scale = variance.clamp_min(1e-10).rsqrt()
    before, after = power.sum((-2, -1), True), (power * scale.square()).sum((-2, -1), True)
    update = update * scale * (before / after.clamp_min(1e-20)).sqrt()
    weights.sub_(told[0] * (update + told[1] * weights * (update * weights >= 0)))


class Step:
    """One step over `passes` batches: everything that upstream compiles is compiled."""

    def __init__(self, model: Model, passes: int, autocast: Callable[[], torch.autocast]) -> None:
        compiles = torch.cuda.is_available()
        self._loss = torch.compile(model, dynamic=False, disable=not compiles)
        self._adam = torch.compile(adam_step, dynamic=False, disable=not compiles)
        self._muon = torch.compile(muon_step, dynamic=False, disable=not compiles)
        self._model, self._passes, self._autocast, self._count = model, passes, autocast, 0
        matrices = list(model.blocks.parameters())
        self._shapes = [
            [p for p in matrices if p.shape == shape] for shape in {p.shape: 0 for p in matrices}
        ]
        scale = (model.table.embedding_dim / 768) ** -0.5
        tables = [model.table.weight, *model.values.parameters()]
        self._rates = dict.fromkeys(tables, 0.6 * scale) | {model.head.weight: 0.004 * scale}
        self._rates |= {model.stay: 0.005, model.again: 0.5}
        self._beta1 = dict.fromkeys(self._rates, 0.8) | {model.again: 0.96}
        self._state: dict[Tensor, tuple[Tensor, Tensor]] = {}

    def __call__(self, batches: Iterator[tuple[Tensor, Tensor]], progress: float) -> float:
        """Take the step at a point of the run from 0 to 1; return the last loss.

        Rates are flat for half of the run, then fall to 0 on a line; decay falls all the way.
        """
        for _ in range(self._passes):
            with self._autocast():
                loss: Tensor = self._loss(*next(batches))
            (loss / self._passes).backward()  # type: ignore[no-untyped-call]
        self._count += 1
        self._update(min(1.0, 2 * (1 - progress)), 1 - progress)
        self._model.zero_grad()
        return loss.item()

    @torch.no_grad()
    def _update(self, rate: float, decay: float) -> None:
        for p, peak in self._rates.items():
            assert p.grad is not None
            beta1, count = self._beta1[p], self._count
            told = torch.tensor([rate * peak, 1 - beta1**count, 1 - 0.95**count, 1 - beta1])
            state = self._state.setdefault(p, (torch.zeros_like(p), torch.zeros_like(p)))
            self._adam(p, p.grad, *state, told.to(p.device))
        momentum = 0.85 + 0.1 * min(1.0, self._count / MOMENTUM_STEPS)
        for params in self._shapes:
            self._update_matrices(params, [0.04 * rate, 0.2 * decay, momentum])

    def _update_matrices(self, params: Sequence[Tensor], told: Sequence[float]) -> None:
        rows, columns = params[0].shape
        weights = torch.stack(tuple(params))
        grads = torch.stack([p.grad for p in params if p.grad is not None])
        even = weights.new_zeros(len(params), *((rows, 1) if rows >= columns else (1, columns)))
        state = self._state.setdefault(params[0], (torch.zeros_like(grads), even))
        peak, *others = told
        there = torch.tensor([peak * max(1, rows / columns) ** 0.5, *others]).to(weights.device)
        self._muon(weights, grads, *state, there)
        torch._foreach_copy_(list(params), list(weights.unbind()))
