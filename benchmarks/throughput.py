"""Tokens per second of the training notebook's own model and step, against a yardstick.

    PYTHONPATH=. python benchmarks/throughput.py [--steps 20] [--repeats 2] [--threads 2]
    PYTHONPATH=. python benchmarks/throughput.py --dataset NAME --train-seconds 60 --repeats 0

On a GPU of NVIDIA's: this machine's profile; the same step at upstream's sizes of the first hour
(depth 8, 2**19 tokens a step, context 2,048); and upstream's own model and step at those. On a CPU:
the `cpu` profile, and the same model in eager float32. Each is run in a process of its own with an
empty compile cache (cold), then in others with what that left (warm), by turns; the fastest counts.

MFU is what the model needs, matrix products and causal attention, of the fastest matrix product
that is measured here, in the precision of training. Seconds to the first step are counted without
importing torch. Tokens are made up: neither loading nor scoring is measured.

With a prepared data set each case trains on its rows instead, in one order, for so many seconds
after the steps that compile, and is scored on its val rows. On a CPU both models are small then,
and eager.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import psutil
import torch
from small import SIZES
from torch import nn
from training import WARM_UP, Case, OnRows, Stopwatch, take_ours, take_theirs

from autoresearch_kit.execution import machine_probe
from autoresearch_kit.machine import precision, profiles
from autoresearch_kit.records import Constant, codec
from autoresearch_kit.tasks.lm.dataset import dataset_folder, open_dataset
from tests.shipped.train_cells import NOTEBOOK, ROOT

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
class Measured:
    """`tokens_per_cpu_second` counts this process's processor time, which others don't touch."""

    tokens_per_second: float
    tokens_per_cpu_second: float
    flops_per_token: float
    peak_mb: float
    first_seconds: float
    said: str
    steps: int
    val_bpb: float | None = None


def cases(on_rows: bool) -> list[Case]:
    """Return the trainings to compare; the others are compared with the last."""
    if torch.cuda.is_available():
        mine = profiles.choose(machine_probe.accelerator())
        return [
            Case(f"profile {mine.name}", mine.constants, 8192, 2048, notebook=ROOT / mine.notebook),
            Case("ours, depth 8", FIRST_HOUR, 8192, 2048),
            Case("upstream's, depth 8", FIRST_HOUR, 8192, 2048, theirs=True),
        ]
    constants = profiles.find("cpu").constants
    plain = {**constants, "COMPILE": False}
    if on_rows:
        small = {**FIRST_HOUR, **SIZES, "DEVICE_BATCH_SIZE": 4}
        return [
            Case("ours, small", small, 1024, 512),
            Case("upstream's, as small", small, 1024, 512, theirs=True),
        ]
    return [
        Case("profile cpu", constants, 1024, 512, notebook=NOTEBOOK),
        Case("the same, eager float32", plain, 1024, 512, eager=True, notebook=NOTEBOOK),
    ]


def measure(case: Case, given: argparse.Namespace) -> Measured:
    """Train as `given` says: so many steps, or so many seconds on a data set's rows."""
    if given.dataset is None:
        return measured(Stopwatch(case, given.steps), case)
    dataset = open_dataset(dataset_folder(given.dataset))
    info = dataset.info
    sized = replace(case, vocab_size=info.vocab_size, context=info.context)
    return measured(OnRows(sized, dataset, given.train_seconds), sized)


def measured(run: Stopwatch, case: Case) -> Measured:
    """Train to the end of `run`."""
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
        steps=len(run.ends),
        val_bpb=run.val_bpb(model) if isinstance(run, OnRows) else None,
    )


def flops_per_token(model: nn.Module, context: int) -> float:
    """Count forward and backward: 6 a weight, 12 a channel and key that causal attention sees."""
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    total = 6.0 * sum(layer.weight.numel() for layer in linear)
    for block in model.get_submodule("blocks").children():
        attention = getattr(block, "attn", block)
        window = getattr(attention, "window", 0) or context
        keys = statistics.fmean(min(place, window) + 1 for place in range(context))
        query = next(layer for layer in attention.modules() if isinstance(layer, nn.Linear))
        total += 12 * query.out_features * keys
    return total


def peak_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return psutil.Process().memory_info().rss / 1e6


def ceiling() -> float:
    """Return the fastest matrix product over sizes, in FLOP/s, in the precision of training."""
    device = precision.device()
    sizes = (2048, 4096, 8192, 16384) if device.type == "cuda" else (256, 512, 1024, 2048)
    return max(product_speed(size, device) for size in sizes)


def product_speed(size: int, device: torch.device) -> float:
    a = torch.randn(size, size, device=device, dtype=precision.computes_in(device))
    seconds = min(timed(lambda: a @ a, device) for _ in range(5))
    return 2 * size**3 / seconds


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of one call, of enough of them to be told apart from the clock's own."""
    calls = 10 if device.type == "cuda" else 3
    began = time.perf_counter()
    for _ in range(calls):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / calls


def in_a_process(number: int, given: argparse.Namespace, cache: str) -> Measured:
    """Measure a case in a process of its own, with this folder as its compile cache."""
    argv = [sys.executable, __file__, "--case", str(number), "--steps", str(given.steps)]
    argv += ["--threads", str(given.threads), "--train-seconds", str(given.train_seconds)]
    argv += ["--dataset", given.dataset] if given.dataset else []
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
    done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return codec.decode(Measured, done.stdout.splitlines()[-1])


def table(found: Sequence[tuple[Case, str, Measured]], fastest: float) -> str:
    """Return a row for each case, with its seconds to the first step in words."""
    lines = [
        "| | tokens/s | times | tokens/CPU-s | MFU | peak MB | first step cold, warm | steps | "
        "val_bpb |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    base = found[-1][2].tokens_per_second
    for case, first, best in found:
        share = best.flops_per_token * best.tokens_per_second / fastest
        score = "-" if best.val_bpb is None else f"{best.val_bpb:.4f}"
        lines.append(
            f"| {case.name} | {best.tokens_per_second:,.0f} | "
            f"{best.tokens_per_second / base:.2f} | {best.tokens_per_cpu_second:,.0f} | "
            f"{share:.1%} | {best.peak_mb:,.0f} | {first} | {best.steps:,} | {score} |"
        )
    lines += [f"\n{case.name}: {best.said}" for case, _, best in found if best.said]
    return "\n".join(lines)


def compare(given: argparse.Namespace) -> None:
    """Measure every case that was asked for, cold and then warm; print the table."""
    every = cases(given.dataset is not None)
    numbers = range(len(every)) if given.cases is None else given.cases
    runs: dict[int, list[Measured]] = {number: [] for number in numbers}
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.cache or scratch
        for _ in range(1 + given.repeats):
            for number, done in runs.items():
                done.append(in_a_process(number, given, f"{folder}/{number}"))
                print(f"{every[number].name}: {done[-1]}\n", flush=True)
    fastest = ceiling()
    here = machine_probe.probe()
    print(f"{here.device}, torch {here.torch}, {here.precision}; {given.threads} threads")
    print(f"fastest matrix product: {fastest / 1e12:.3g} TFLOP/s\n")
    print(table([summed_up(every[number], done) for number, done in runs.items()], fastest))


def summed_up(case: Case, runs: Sequence[Measured]) -> tuple[Case, str, Measured]:
    """Return the fastest of a case's warm runs, or the cold one where there is no other."""
    cold, *warm = runs
    seconds = [f"{cold.first_seconds:.1f} s"]
    seconds += [f"{min(one.first_seconds for one in warm):.1f} s"] if warm else []
    best = max(warm or runs, key=lambda one: one.tokens_per_second)
    return case, ", ".join(seconds), best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=20, help="counted steps of a process")
    parser.add_argument("--repeats", type=int, default=2, help="warm processes of each case")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch")
    parser.add_argument("--dataset", help="a prepared data set, by its name")
    parser.add_argument("--train-seconds", type=float, default=60, help="on its rows")
    parser.add_argument("--cases", type=int, nargs="+", help="rows of the table, from 0")
    parser.add_argument("--cache", help="compile caches that stay, by case (default: empty ones)")
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.case is None:
        compare(given)
    else:
        case = cases(given.dataset is not None)[given.case]
        print(codec.compact(measure(case, given)).decode())


if __name__ == "__main__":
    main()
