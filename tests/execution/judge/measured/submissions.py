"""Submissions, honest and not. Each is asked for 2 x."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

REPLIES = "replies"


def double(x: Any) -> Any:
    return 2 * x


def loaded(x: Any) -> bool:
    return "pandas" in sys.modules


def look_ahead(histories: Any) -> Any:
    """Take the answer of each row from a later one, 13 rows on: the last of its values."""
    return histories[np.minimum(np.arange(len(histories)) + 13, len(histories) - 1), -1]


def nothing(x: Any) -> object:
    return object()


def much(x: Any) -> bytes:
    return bytes(2_000_000)


class Model:
    """Answers by its method `predict`."""

    def predict(self, x: Any) -> Any:
        return 2 * x


class Twice(nn.Module):
    """Has 2 parameters, and drops out while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1).double()
        self.layer.weight.data.fill_(2)
        self.layer.bias.data.zero_()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Any:
        return self.drop(self.layer(x[:, None])[:, 0])


class Where(Twice):
    """Answers where it computes."""

    def forward(self, x: Tensor) -> str:
        return str(super().forward(x).device)


class Wraps:
    """Holds a module where only its code knows."""

    def __init__(self) -> None:
        module = Twice().eval()
        self.asks = [lambda x: module(torch.as_tensor(x))]

    def predict(self, x: Any) -> Any:
        return self.asks[0](x)


class Does:
    """Answers honestly, after `action`."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action

    def __call__(self, x: Any) -> Any:
        self.action()
        return 2 * x


class Loads:
    """Calls `action` when it is unpickled."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action

    def __reduce__(self) -> tuple[Callable[[Callable[[], object]], object], tuple[object]]:
        return _after, (self.action,)


def _after(action: Callable[[], object]) -> Callable[[Any], Any]:
    action()
    return double


class Counts:
    """Remembers how often it was asked."""

    asked = 0

    def __call__(self, x: Any) -> int:
        self.asked += 1
        return self.asked


def print_much() -> None:
    for _ in range(200):
        print("x" * 10_000)
        os.write(2, b"y" * 10_000)


def fork() -> None:
    if os.fork() == 0:
        time.sleep(600)
    subprocess.Popen(["sleep", "600"], start_new_session=True)


def fork_many() -> None:
    for _ in range(600):
        if os.fork() == 0:
            time.sleep(600)
    time.sleep(600)


def forge() -> None:
    """Say what a measurement would say."""
    print("METRIC error=0", flush=True)
    with suppress(OSError):
        Path(os.environ["AUTORESEARCH_OUTPUT"], "metrics.json").write_text('{"error": 0}')


def train_on(seconds: float = 1.2) -> None:
    """Compute, as training would."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def train_unasked() -> None:
    threading.Thread(target=train_on, args=(60,), daemon=True).start()


def train_on_import() -> None:
    """Train where its process imports what later inputs are made of."""
    vars(sys.modules["__main__"])["import_module"] = lambda _: train_on(60)


def hang() -> None:
    time.sleep(600)


def leave() -> None:
    os._exit(7)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise ValueError("no such row")


def take_memory() -> None:
    held = [np.ones(50_000_000) for _ in range(8)]
    time.sleep(600)
    del held


def replies() -> int:
    """Return the descriptor on which its process replies."""
    return int(json.loads(sys.argv[1])[REPLIES])


def reply_falsely() -> None:
    os.write(replies(), b"done!\n")


def reply_without_end() -> None:
    while True:
        os.write(replies(), b"x" * 4096)


def reply_for_the_kit() -> None:
    os.write(replies(), b'{"failure": "kit failed", "detail": "not my fault"}\n')


def reply_with_too_much() -> None:
    os.write(replies(), b'{"size": 1000000000000}\n')


def count_falsely() -> None:
    os.write(replies(), b'{"parameters": 1' + b"0" * 400 + b"}\n")


def reply_before_it_is_asked() -> None:
    """Leave an answer for the next question."""

    def later() -> None:
        time.sleep(0.5)
        os.write(replies(), b'{"size": 1}\n\x05')

    threading.Thread(target=later).start()


def close_connection() -> None:
    os.close(replies())
    time.sleep(600)


class Seeks:
    """Answers the names of all files that it finds which `wanted` is part of, with what it sees."""

    def __init__(self, wanted: str, *guesses: str) -> None:
        self.wanted, self.guesses = wanted, guesses

    def __call__(self, x: Any) -> list[str]:
        found = [guess for guess in self.guesses if Path(guess).exists()]
        for top in ("/", "/proc/1/root", "/proc/self/cwd"):
            for folder, folders, files in os.walk(top):
                if folder.startswith(("/proc/", "/sys/")) and top == "/":
                    folders.clear()
                found += [f"{folder}/{name}" for name in files if self.wanted in name]
        return found


def processes(x: Any) -> list[str]:
    """Return what other processes it sees, by their arguments."""
    paths = Path("/proc").glob("[0-9]*/cmdline")
    return [path.read_bytes().replace(b"\0", b" ").decode() for path in paths]


def descriptors(x: Any) -> list[str]:
    """Return what its process holds open, but for pipes and devices."""
    opened = [str(path.readlink()) for path in Path("/proc/self/fd").glob("*") if path.is_symlink()]
    return [name for name in opened if not name.startswith(("pipe:", "/dev/"))]
