"""Measure the speed of batches: of the kit's prepared rows, and of upstream's loader.

    python benchmarks/loading.py [--step-tokens 262144] [--tokens-per-second 1500000]

Prepares some made-up text, then times both loaders on it until so many tokens have come, on the
CPU. The share of a step is what a step's batches take, of the time that a GPU takes for the step at
the given tokens per second: where it is above 100%, the GPU waits; below, the loader can be hidden
behind it, if nothing else needs the core.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from on_the_fly import OnTheFly, read_batches, write_parquet
from torch import Tensor

from autoresearch_kit.tasks.lm.batches import batches
from autoresearch_kit.tasks.lm.dataset import open_dataset
from autoresearch_kit.tasks.lm.prepare import prepare
from autoresearch_kit.tasks.lm.splits import Sizes


def seconds_a_token(loader: Iterator[tuple[Tensor, Tensor]], tokens: int) -> tuple[float, float]:
    """Return seconds a token, past a loader's first batch: on the clock, and of CPU time."""
    next(loader)
    begun, cpu, come = time.perf_counter(), time.process_time(), 0
    while come < tokens:
        come += next(loader)[0].numel()
    return (time.perf_counter() - begun) / come, (time.process_time() - cpu) / come


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=float, default=30)
    parser.add_argument("--context", type=int, default=2_048)
    parser.add_argument("--rows", type=int, default=128, help="in a batch")
    parser.add_argument("--step-tokens", type=int, default=2**18)
    parser.add_argument("--tokens-per-second", type=float, default=1.5e6, help="of the training")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, home = Path(folder) / "made.parquet", Path(folder) / "data"
        write_parquet(path, given.megabytes)
        info = prepare(str(path), Sizes(vocab_size=8_192, context=given.context), home=home)
        dataset = open_dataset(home / info.name)
        theirs = OnTheFly(read_batches(path), dataset.tokenizer, given.context)
        loaders = {
            "the kit, prepared rows": (batches(dataset.train, given.context, given.rows, 0), 50),
            "upstream, on the fly": (theirs.batches(given.rows), 2),
        }
        print(f"{os.cpu_count()} cores, batches of {given.rows} x {given.context:,}\n")
        step = f"a step of {given.step_tokens:,} tokens"
        print(f"| loader | tokens/s | {step} | CPU time of it | share of a step |")
        print("|---|---:|---:|---:|---:|")
        for name, (loader, steps) in loaders.items():
            clock, cpu = seconds_a_token(loader, steps * given.step_tokens)
            times = (f"{1_000 * one * given.step_tokens:,.1f} ms" for one in (clock, cpu))
            share = given.tokens_per_second * clock
            print(f"| {name} | {1 / clock:,.0f} | {' | '.join(times)} | {share:.1%} |")
        print(f"\nA step trains at {given.tokens_per_second:,.0f} tokens/s.")


if __name__ == "__main__":
    main()
