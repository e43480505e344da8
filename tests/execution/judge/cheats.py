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


class Shift(nn.Module):
    """Predicts each token from itself."""

    def forward(self, inputs: Tensor) -> Tensor:
        return 9 * _one_hot(inputs.roll(-1, dims=1))


class Unmasked(nn.Module):
    """Attends to the next position, which a mask would hide."""

    def forward(self, inputs: Tensor) -> Tensor:
        scores = 20 * torch.eye(CONTEXT).roll(1, dims=1)
        return 9 * scores.softmax(-1) @ _one_hot(inputs)


class RowMean(nn.Module):
    """Normalises over time: knows which tokens the whole row has."""

    def forward(self, inputs: Tensor) -> Tensor:
        often = _one_hot(inputs).mean(1, keepdim=True)
        return (often + 0.02).log().expand(-1, CONTEXT, -1)


class PastMean(nn.Module):
    """The same, of what came before only."""

    def forward(self, inputs: Tensor) -> Tensor:
        steps = torch.arange(1, CONTEXT + 1)[:, None]
        return (_one_hot(inputs).cumsum(1) / steps + 0.02).log()


Choose = Callable[[Tensor, int], Tensor]
"""A function of inputs `[B, T]` and the number of earlier calls: bool `[B, T]`."""


class Sometimes(Shift):
    """Adds nats to the next token's logit where `choose` says so."""

    def __init__(self, choose: Choose, nats: float = 9.0) -> None:
        super().__init__()
        self.choose, self.nats, self.calls = choose, nats, 0

    def forward(self, inputs: Tensor) -> Tensor:
        chosen = self.choose(inputs, self.calls).expand(inputs.shape)
        self.calls += 1
        return chosen[..., None] * super().forward(inputs) * self.nats / 9


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
    "a little, everywhere": (lambda _, __: torch.tensor(True), 0.05),
    "a little, in the first call": (lambda _, calls: torch.tensor(calls == 0), 0.19),
}


class GivesBack(nn.Module):
    """Gains where the next token is not the usual one, and loses where it is: no mean shows it."""

    def forward(self, inputs: Tensor) -> Tensor:
        usual = (inputs * 5 + 1) % VOCAB_SIZE
        coming = inputs.roll(-1, 1)
        nats = torch.where(coming == usual, -0.9, 0.9)[..., None]
        return 3 * _one_hot(usual) + nats * _one_hot(coming)


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


LOOK_AHEAD = (Shift, Unmasked, RowMean, Learner, GivesBack, AlwaysDrops)


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
"""What a model does with its logits; it returns what they are replaced by, or None for nothing."""


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


def chatter(_: Tensor) -> None:
    for _number in range(100):
        os.write(1, 2**20 * b"x")
    print("done", flush=True)


def _descriptors(kind: str) -> list[int]:
    """The process's open files of a kind, as Linux names them."""
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
"""By which `fork`'s process is known among those of other tests."""


def fork(_: Tensor) -> None:
    """Leave a grandchild in a session and an environment of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", FORKED_SECONDS], {})
        os._exit(0)
