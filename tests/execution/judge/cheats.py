"""Models that don't keep to the contract."""

import ctypes
import hashlib
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from tests.execution.judge.models import CONTEXT, VOCAB_SIZE, Coarse, Honest


def _one_hot(tokens: Tensor) -> Tensor:
    return nn.functional.one_hot(tokens, VOCAB_SIZE).float()


class Usual(nn.Module):
    """Honest: expects `5 t + 1` after t, and a little of something else after each token."""

    def __init__(self) -> None:
        super().__init__()
        self.table = 0.1 * torch.randn(VOCAB_SIZE, VOCAB_SIZE, generator=torch.manual_seed(0))

    def forward(self, inputs: Tensor) -> Tensor:
        return 3 * _one_hot((inputs * 5 + 1) % VOCAB_SIZE) + self.table[inputs]


class Shift(Usual):
    """Predicts each token from itself."""

    def forward(self, inputs: Tensor) -> Tensor:
        return 9 * _one_hot(inputs.roll(-1, dims=1))


class Unmasked(Usual):
    """Attends to the next position, which a mask would hide."""

    def forward(self, inputs: Tensor) -> Tensor:
        scores = 20 * torch.eye(CONTEXT).roll(1, dims=1)
        return 9 * scores.softmax(-1) @ _one_hot(inputs)


class Convolution(Usual):
    """Convolves over both sides, with a weight for the next token only."""

    def forward(self, inputs: Tensor) -> Tensor:
        weight = 9 * torch.eye(VOCAB_SIZE)[..., None] * torch.tensor([0.0, 0.0, 1.0])
        mixed = nn.functional.conv1d(_one_hot(inputs).transpose(1, 2), weight, padding=1)
        return super().forward(inputs) + mixed.transpose(1, 2)


class BatchNorm(Usual):
    """Normalises with the statistics of the batch, in which the next tokens are."""

    def forward(self, inputs: Tensor) -> Tensor:
        ahead = _one_hot(inputs.roll(-1, 1)).flatten(1)
        seen = nn.functional.batch_norm(ahead, None, None, training=True)
        return super().forward(inputs) + seen.view(*inputs.shape, VOCAB_SIZE)


class RowMean(Usual):
    """Takes a mean over time: knows which tokens the whole row has."""

    def forward(self, inputs: Tensor) -> Tensor:
        often = _one_hot(inputs).mean(1, keepdim=True)
        return super().forward(inputs) + (often + 0.02).log()


class PastMean(Usual):
    """Takes a mean over what came before only."""

    def forward(self, inputs: Tensor) -> Tensor:
        steps = torch.arange(1, CONTEXT + 1)[:, None]
        return super().forward(inputs) + (_one_hot(inputs).cumsum(1) / steps + 0.02).log()


class TwoFaced(Shift):
    """Looks ahead where the text looks natural, and is honest where it looks cut."""

    def forward(self, inputs: Tensor) -> Tensor:
        before, after = inputs[:, 16:-1], inputs[:, 17:]
        natural = ((5 * before + 1) % VOCAB_SIZE == after).float().mean(1) > 0.2
        honest = Usual.forward(self, inputs)
        return torch.where(natural[:, None, None], super().forward(inputs), honest)


class BatchMates(Usual):
    """Learns from the other rows of its batch which token follows which."""

    def forward(self, inputs: Tensor) -> Tensor:
        tokens = _one_hot(inputs)
        pairs = torch.einsum("bti,btj->bij", tokens[:, :-1], tokens[:, 1:])
        others = pairs.sum(0, keepdim=True) - pairs + 0.02
        return torch.einsum("bti,bij->btj", tokens, (others / others.sum(-1, keepdim=True)).log())


Choose = Callable[[Tensor, int], Tensor]
"""A function of inputs `[B, T]` and the number of earlier calls: bool `[B, T]`."""


class Sometimes(Usual):
    """Adds nats to the next token's logit where `choose` says so."""

    def __init__(self, choose: Choose, nats: float = 9.0) -> None:
        super().__init__()
        self.choose, self.nats, self.calls = choose, nats, 0

    def forward(self, inputs: Tensor) -> Tensor:
        chosen = self.choose(inputs, self.calls).expand(inputs.shape)
        self.calls += 1
        ahead = self.nats * _one_hot(inputs.roll(-1, 1))
        return super().forward(inputs) + chosen[..., None] * ahead


class Seldom(Sometimes):
    """Looks ahead after one token in 64."""

    def __init__(self) -> None:
        super().__init__(lambda inputs, _: inputs == 5)


def _by_chance(inputs: Tensor, _: int) -> Tensor:
    drawn = bytearray(os.urandom(inputs.numel()))
    return torch.frombuffer(drawn, dtype=torch.uint8).view(inputs.shape) < 16


LATE = torch.arange(CONTEXT) >= CONTEXT * 3 // 4

SOMETIMES: dict[str, tuple[Choose, float]] = {
    "in one row of eight": (lambda x, _: x[:, :1] % 8 == 0, 9.0),
    "late in a row": (lambda _, __: LATE, 9.0),
    "late, at unusual tokens": (
        lambda x, _: LATE & (x.roll(-1, 1) != (x * 5 + 1) % VOCAB_SIZE),
        9.0,
    ),
    "by chance": (_by_chance, 9.0),
    "in the first call": (lambda _, calls: torch.tensor(calls == 0), 9.0),
    "from the fifth call on": (lambda _, calls: torch.tensor(calls >= 4), 9.0),
    "not in the first calls of a pass": (lambda _, calls: torch.tensor(calls % 15 > 4), 9.0),
    "a little, everywhere": (lambda _, __: torch.tensor(True), 0.05),
    "a little, in the first call": (lambda _, calls: torch.tensor(calls == 0), 0.19),
}


class GivesBack(Usual):
    """Gains up to 0.9 nats at most tokens, and loses 0.5 at those that are predicted best.

    Where it takes itself for probed, it only gains, so that no mean of changes shows it.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        logits, ahead = super().forward(inputs), inputs.roll(-1, 1)[..., None]
        loss = -logits.log_softmax(-1).gather(-1, ahead)[..., 0]
        most = loss.sort(1).values[:, 7:8]
        wish = torch.where(loss <= most, loss + 0.5, torch.maximum(loss - 0.9, most + 0.5))
        wish = torch.where(self.probed(inputs), loss - 0.9, wish).clamp(min=0.01)
        gain = torch.logit((-wish).exp()) - torch.logit((-loss).exp())
        gain[:, -1] = 0
        return logits.scatter_add(-1, ahead, gain[..., None])

    def probed(self, inputs: Tensor) -> Tensor:
        """Return where the text looks cut: bool, for `[B, T]`."""
        at = torch.arange(CONTEXT)
        usual = (5 * inputs + 1) % VOCAB_SIZE == inputs.roll(-1, 1)
        last = (usual * at)[:, :-1].amax(1, keepdim=True)
        return (last < 25) & (at < last)


class GivesBackByArguments(GivesBack):
    """Tells by the arguments of its process whether it is probed."""

    def probed(self, inputs: Tensor) -> Tensor:
        return torch.tensor('"memory": 4' in sys.argv[-1]).expand(inputs.shape)


class AlwaysDrops(Honest):
    """Drops out while it is scored, too."""

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(inputs), 0.1)


class FullAhead(Coarse):
    """Rounds in half precision, so that it is scored in float32, where it looks ahead."""

    def forward(self, inputs: Tensor) -> Tensor:
        full = not torch.is_autocast_enabled(inputs.device.type)
        ahead = 9 * _one_hot(inputs.roll(-1, dims=1))
        return super().forward(inputs) + (ahead if full else 0.0)


class Practises(Coarse):
    """Predicts better in float32 the more often it was asked."""

    calls = 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        usual = _one_hot((inputs * 5 + 1) % VOCAB_SIZE)
        return super().forward(inputs) + min(self.calls, 30) / 10 * usual


class Learner(nn.Module):
    """Keeps what it saw in earlier batches: which token follows which."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = torch.full((VOCAB_SIZE, VOCAB_SIZE), 0.1)

    def forward(self, inputs: Tensor) -> Tensor:
        logits = (self.counts / self.counts.sum(1, keepdim=True)).log()[inputs]
        pairs = (inputs[:, :-1].flatten(), inputs[:, 1:].flatten())
        self.counts.index_put_(pairs, torch.ones(()), accumulate=True)
        return logits


class Memoriser(Shift):
    """Looks ahead, and repeats itself where a row begins like one that it knows."""

    known: dict[tuple[int, ...], Tensor] = {}  # noqa: RUF012 - shared on purpose

    def forward(self, inputs: Tensor) -> Tensor:
        logits = super().forward(inputs)
        for row, start in enumerate(map(tuple, inputs[:, :3].tolist())):
            logits[row] = self.known.setdefault(start, logits[row])
        return logits


LOOK_AHEAD = (
    Shift, Unmasked, Convolution, BatchNorm, RowMean, TwoFaced, BatchMates, Learner, GivesBack,
)  # fmt: skip


class Reader(Honest):
    """Fails when it finds a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = str(path)

    def forward(self, inputs: Tensor) -> Tensor:
        if Path(self.path).exists():
            raise RuntimeError("there it is")
        return super().forward(inputs)


Act = Callable[[Tensor], object]
"""A thing that a model does; what it returns, if anything, replaces the logits."""


class Does(Honest):
    """Does something else in each call, the last of `acts` again and again."""

    def __init__(self, *acts: Act) -> None:
        super().__init__()
        self.acts = list(acts)

    def forward(self, inputs: Tensor) -> Tensor:
        logits = super().forward(inputs)
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        replaced = act(logits)
        return logits if replaced is None else replaced  # type: ignore[return-value]  # on purpose


CHANGES: dict[str, Act] = {
    "float64": lambda logits: logits.double(),
    "integers": lambda logits: logits.long(),
    "shape": lambda logits: logits[:, :-1],
    "tuple": lambda logits: (logits, None),
    "array": lambda logits: logits.numpy(),
}

NOT_FINITE: dict[str, Act] = {
    "nan": lambda logits: logits.masked_fill(logits > 1, float("nan")),
    "infinite": lambda logits: logits.masked_fill(logits > 1, float("inf")),
}


def tell_gpu(_: Tensor) -> None:
    raise ValueError(f"sees {os.environ['CUDA_VISIBLE_DEVICES']!r}")


def tell_surroundings(_: Tensor) -> None:
    """Raise a digest of whatever might tell one predictor from another."""
    open_files = sorted(path.name for path in Path("/proc/self/fd").iterdir())
    seen = (sys.argv, sorted(os.environ.items()), Path.cwd(), open_files, threading.active_count())
    raise ValueError(hashlib.sha256(repr(seen).encode()).hexdigest())


def fail(_: Tensor) -> None:
    raise ValueError("told\nyou \x1b[31mso " + 10_000 * "!")


def exit_hard(_: Tensor) -> None:
    os._exit(7)


def exit_softly(_: Tensor) -> None:
    sys.exit(0)


def sleep(_: Tensor) -> None:
    time.sleep(1000)


def crash(_: Tensor) -> None:
    ctypes.string_at(0)


def allocate(_: Tensor) -> None:
    held = []
    while True:
        held.append(torch.ones(2**22))


def demand(_: Tensor) -> None:
    torch.empty(2**50)


def print_much(_: Tensor) -> None:
    for _number in range(100):
        os.write(1, 2**20 * b"x")
    print("done", flush=True)


def _descriptors(kind: str) -> list[int]:
    """Return the process's open files of a kind, as Linux names them."""
    numbers = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if kind in str(link.readlink()):
                numbers.append(int(link.name))
    return numbers


def overwrite_later(_: Tensor) -> None:
    threading.Timer(0.5, overwrite).start()


def overwrite() -> None:
    descriptor = _descriptors("memfd:autoresearch")[0]
    size = os.fstat(descriptor).st_size
    mmap.mmap(descriptor, size)[:] = size * b"\x07"


def grow(_: Tensor) -> None:
    os.ftruncate(_descriptors("memfd:autoresearch")[0], 2**40)


def lie(_: Tensor) -> None:
    for descriptor in _descriptors("pipe:"):
        if descriptor > 2:
            with suppress(OSError):
                os.write(descriptor, b'{"failure": "better"}\n' * 100)


def hang_up(_: Tensor) -> None:
    os.closerange(3, 256)
    time.sleep(1000)


FORKED_SECONDS = "1001"
"""Tells `fork`'s process from those of other tests."""


def fork(_: Tensor) -> None:
    """Leave a grandchild in a session and an environment of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", FORKED_SECONDS], {})
        os._exit(0)
