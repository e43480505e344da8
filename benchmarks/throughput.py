"""Tokens per second of the training notebook's own model and step, against a yardstick.

    PYTHONPATH=. python benchmarks/throughput.py [--steps 20] [--repeats 2] [--threads 2]

On a GPU of NVIDIA's: this machine's profile; the same step at upstream's sizes of the first hour
(depth 8, 2**19 tokens a step, context 2,048); and upstream's own model and step at those. On a CPU:
the `cpu` profile, and the same model in eager float32. Each is run in a process of its own with an
empty compile cache (cold), then in others with what that left (warm), by turns; the fastest counts.

MFU is what the model needs, matrix products and causal attention, of the fastest matrix product
that is measured here, in the precision of training. Seconds to the first step are counted without
importing torch. Tokens are made up: neither loading nor scoring is measured.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, pairwise
from typing import cast

import psutil
import torch
import upstream
from torch import Tensor, nn

from autoresearch_kit import codec, machine, precision, profiles
from autoresearch_kit.passes import Backward, Batch, Passes
from autoresearch_kit.records import Constant
from tests.shipped.train_cells import execute

WARM_UP = 3
"""Steps that are not counted: the first compile."""

FIRST_HOUR: Mapping[str, Constant] = {
    **profiles.find("h100").constants,
    "DEPTH": 8,
    "HEADS": 4,
    "WINDOWS": "SSSL",
    "SHORT_WINDOW": 0.5,
    "GRAD_ACCUMULATION": 2,
}
"""The sizes that upstream's night began with."""


@dataclass(frozen=True)
class Case:
    """What is measured: `theirs` is upstream's own model and step, `eager` turns autocast off."""

    name: str
    constants: Mapping[str, Constant]
    vocab_size: int
    context: int
    theirs: bool = False
    eager: bool = False


@dataclass(frozen=True)
class Measured:
    """`tokens_per_cpu_second` counts this process's processor time, which others don't touch."""

    tokens_per_second: float
    tokens_per_cpu_second: float
    flops_per_token: float
    peak_mb: float
    first_seconds: float
    said: str


def cases() -> list[Case]:
    if torch.cuda.is_available():
        mine = profiles.choose(machine.accelerator())
        return [
            Case(f"profile {mine.name}", mine.constants, 8192, 2048),
            Case("ours, depth 8", FIRST_HOUR, 8192, 2048),
            Case("upstream's, depth 8", FIRST_HOUR, 8192, 2048, theirs=True),
        ]
    constants = profiles.find("cpu").constants
    plain = {**constants, "COMPILE": False}
    return [
        Case("profile cpu", constants, 1024, 512),
        Case("the same, eager float32", plain, 1024, 512, eager=True),
    ]


class Stopwatch:
    """Stands in for the notebook's `run`: makes tokens up, and times each step."""

    def __init__(self, case: Case, steps: int) -> None:
        self.vocab_size, self.context = case.vocab_size, case.context
        self.device = precision.device()
        self.scaler = precision.loss_scaler(self.device)
        self.progress = 0.0
        self.said: list[str] = []
        self.ends: list[tuple[float, float]] = []
        self.step_tokens = 0
        self.submitted: nn.Module | None = None
        self._eager, self._steps = case.eager, steps
        self._passes = Passes(self.said.append)

    def autocast(self) -> torch.autocast:
        """The kit's, or none."""
        if self._eager:
            return precision.autocast_to(self.device, torch.float32)
        return precision.autocast(self.device)

    def batches(self, rows: int, context: int) -> Iterator[Batch]:
        """The same four batches over and over, copied to the device each time."""
        draw = torch.Generator().manual_seed(0)
        made = [torch.randint(self.vocab_size, (rows, context + 1), generator=draw) for _ in "1234"]
        for tokens in cycle(made):
            here = tokens.to(self.device, non_blocking=True)
            yield here[:, :-1].contiguous(), here[:, 1:].contiguous()

    def accumulate(self, backward: Backward, batches: Sequence[Batch], model: nn.Module) -> Tensor:
        """As in a campaign, so that a device batch that is too large is halved."""
        return self._passes.gradients(backward, batches, model.zero_grad)

    def steps(self) -> Iterator[int]:
        """So many steps and those to warm up, each to its end on the device."""
        for step in range(self._steps + WARM_UP):
            self.progress = step / (self._steps + WARM_UP)
            yield step
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            self.ends.append((time.perf_counter(), time.process_time()))

    def log(self, *, loss: float, tokens: int) -> None:  # noqa: ARG002 - what a notebook calls
        """Notes how many tokens a step has."""
        self.step_tokens = tokens

    def submit(self, model: nn.Module) -> None:
        """Takes the model, whose products are counted."""
        self.submitted = model


def measure(case: Case, steps: int) -> Measured:
    run = Stopwatch(case, steps)
    began = time.perf_counter()
    model = take_theirs(run, case) if case.theirs else take_ours(run, case)
    seconds, cpu_seconds = (
        statistics.median(b - a for a, b in pairwise(ends))
        for ends in zip(*run.ends[WARM_UP - 1 :], strict=True)
    )
    return Measured(
        tokens_per_second=run.step_tokens / seconds,
        tokens_per_cpu_second=run.step_tokens / cpu_seconds,
        flops_per_token=flops_per_token(model, case.context),
        peak_mb=peak_mb(run.device),
        first_seconds=run.ends[0][0] - began,
        said="; ".join(run.said),
    )


def take_ours(run: Stopwatch, case: Case) -> nn.Module:
    execute(run, case.constants)
    assert run.submitted is not None
    return run.submitted


def take_theirs(run: Stopwatch, case: Case) -> nn.Module:
    """Upstream's model and step at the sizes of `case`, with the notebook's attention."""
    cells = execute(run, case.constants, until="intro-muon")
    ours = cast(nn.Module, cells["model"])
    windows = tuple(cast(int, block.window) for block in ours.get_submodule("blocks").children())
    heads, head_dim = (int(case.constants[name]) for name in ("HEADS", "HEAD_DIM"))
    sizes = upstream.Sizes(case.vocab_size, case.context, heads, head_dim, windows)
    attend = cast(upstream.Attend, cells["attention"])
    del ours, cells
    model = upstream.Model(sizes, attend, run.device)
    rows, passes = (int(case.constants[n]) for n in ("DEVICE_BATCH_SIZE", "GRAD_ACCUMULATION"))
    batches, step = run.batches(rows, case.context), upstream.Step(model, passes, run.autocast)
    for _ in run.steps():
        run.log(loss=step(batches), tokens=rows * case.context * passes)
    return model


def flops_per_token(model: nn.Module, context: int) -> float:
    """Of forward and backward: 6 a weight, 12 a channel and key that causal attention sees."""
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    total = 6.0 * sum(layer.weight.numel() for layer in linear)
    for block in model.get_submodule("blocks").children():
        window = cast(int, block.window) or context
        keys = statistics.fmean(min(place, window) + 1 for place in range(context))
        total += 12 * cast(nn.Linear, block.query).out_features * keys
    return total


def peak_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return psutil.Process().memory_info().rss / 1e6


def ceiling() -> float:
    """The fastest matrix product here, in FLOP/s, over sizes, in the precision of training."""
    device = precision.device()
    sizes = (2048, 4096, 8192, 16384) if device.type == "cuda" else (256, 512, 1024, 2048)
    return max(product_speed(size, device) for size in sizes)


def product_speed(size: int, device: torch.device) -> float:
    a = torch.randn(size, size, device=device, dtype=precision.computes_in(device))
    seconds = min(timed(lambda: a @ a, device) for _ in range(5))
    return 2 * size**3 / seconds


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, of enough of them to be told apart from the clock's own."""
    calls = 10 if device.type == "cuda" else 3
    began = time.perf_counter()
    for _ in range(calls):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / calls


def in_a_process(number: int, given: argparse.Namespace, cache: str) -> Measured:
    argv = [sys.executable, __file__, "--case", str(number), "--steps", str(given.steps)]
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
    threads = ["--threads", str(given.threads)]
    done = subprocess.run(
        [*argv, *threads], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return codec.decode(Measured, done.stdout.splitlines()[-1])


def table(found: Sequence[tuple[Case, float, Measured]], fastest: float) -> str:
    lines = [
        "| | tokens/s | times | tokens/CPU-s | MFU | peak MB | first step cold, warm |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    base = found[-1][2].tokens_per_second
    for case, cold, best in found:
        share = best.flops_per_token * best.tokens_per_second / fastest
        lines.append(
            f"| {case.name} | {best.tokens_per_second:,.0f} | "
            f"{best.tokens_per_second / base:.2f} | {best.tokens_per_cpu_second:,.0f} | "
            f"{share:.1%} | {best.peak_mb:,.0f} | {cold:.1f} s, {best.first_seconds:.1f} s |"
        )
    lines += [f"\n{case.name}: {best.said}" for case, _, best in found if best.said]
    return "\n".join(lines)


def compare(given: argparse.Namespace) -> None:
    every = cases()
    with tempfile.TemporaryDirectory() as folder:
        caches = [f"{folder}/{number}" for number in range(len(every))]
        cold = [in_a_process(number, given, cache) for number, cache in enumerate(caches)]
        warm: list[list[Measured]] = [[] for _ in every]
        for _ in range(given.repeats):
            for number, cache in enumerate(caches):
                warm[number].append(in_a_process(number, given, cache))
    fastest = ceiling()
    found = []
    for case, first, runs in zip(every, cold, warm, strict=True):
        best = max(runs, key=lambda one: one.tokens_per_second)
        soonest = min(one.first_seconds for one in runs)
        found.append((case, first.first_seconds, replace(best, first_seconds=soonest)))
    here = machine.probe()
    print(f"{here.device}, torch {here.torch}, {here.precision}; {given.threads} threads")
    print(f"fastest matrix product: {fastest / 1e12:.3g} TFLOP/s\n")
    print(table(found, fastest))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=20, help="counted steps of a process")
    parser.add_argument("--repeats", type=int, default=2, help="warm processes of each case")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch")
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.case is None:
        compare(given)
    else:
        print(codec.compact(measure(cases()[given.case], given.steps)).decode())


if __name__ == "__main__":
    main()
