"""Measure the preparation of a large corpus: MB/s by stage, peak memory, and dropped tokens.

    python benchmarks/preparing.py [--megabytes 1000] [--vocab-size 8192] [--context 2048]

Writes so much made-up text to a parquet file in a temporary folder, has `prepare` make a data set
of it, and watches the memory of all its processes. Then packs many documents of the same sizes by
the kit's packer and by upstream's, and counts what each crops.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
from on_the_fly import cropped_on_the_fly, read_batches, write_parquet

from autoresearch_kit.tasks.lm.dataset import open_dataset
from autoresearch_kit.tasks.lm.packing import Packer
from autoresearch_kit.tasks.lm.tokenizer import Tokenizer

POLL_SECONDS = 0.05
ENCODED, COMPARED = 5_000, 200_000


@dataclass
class Cost:
    """The cost of `prepare`: the peak of its processes' resident bytes, and their CPU-seconds."""

    memory: int = 0
    cpu: float = 0.0

    def look(self, process: psutil.Process) -> None:
        """Take note of what it holds now, unless it is gone."""
        try:
            tree = [process, *process.children(recursive=True)]
            self.memory = max(self.memory, sum(one.memory_info().rss for one in tree))
            self.cpu = sum(sum(one.cpu_times()[:2]) for one in tree)
        except psutil.NoSuchProcess:
            return


def prepared(argv: list[str], home: Path) -> tuple[str, Cost]:
    """Runs `prepare`: what it said, without its progress bars, and what it took."""
    environment = os.environ | {"AUTORESEARCH_DATA": str(home)}
    log, cost = home.parent / "stderr", Cost()
    command = [sys.executable, "-m", "autoresearch_kit.tasks.lm.prepare", *argv]
    with (
        log.open("wb") as file,
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=file) as child,
    ):
        process = psutil.Process(child.pid)
        while child.poll() is None:
            cost.look(process)
            time.sleep(POLL_SECONDS)
    said = re.sub(r"[^\n]*\r", "", log.read_bytes().decode()).strip()
    if child.returncode:
        raise SystemExit(said)
    return said, cost


def sizes(path: Path, tokenizer: Tokenizer) -> list[int]:
    """Return tokens of documents, without BOS: of the file's first, and many drawn from these."""
    texts = (text for batch in read_batches(path) for text in batch)
    found = [len(tokenizer.encode(text)) for text in islice(texts, ENCODED)]
    return random.Random(0).choices(found, k=COMPARED)


def shares(drawn: list[int], context: int) -> list[tuple[str, ...]]:
    """Return the rows of the table: the kit's and upstream's packing of documents of such sizes."""
    packer = Packer(0, context + 1)
    most = np.zeros(max(drawn), dtype=np.uint16)
    for _ in packer.rows(most[:size] for size in drawn):
        pass
    longer = sum(max(0, size - context) for size in drawn) / packer.text
    theirs = cropped_on_the_fly([size + 1 for size in drawn], context + 1)
    return [
        ("the kit", f"{packer.cropped / packer.text:.4%}", f"{packer.continued / packer.text:.1%}"),
        ("upstream", f"{theirs:.1%}", "0.0%"),
        ("at least", "0.0%", f"{longer:.1%}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=float, default=1_000)
    parser.add_argument("--vocab-size", type=int, default=8_192)
    parser.add_argument("--context", type=int, default=2_048)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, home = Path(folder) / "made.parquet", Path(folder) / "data"
        size = write_parquet(path, given.megabytes)
        options = ["--vocab-size", str(given.vocab_size), "--context", str(given.context)]
        said, cost = prepared([str(path), *options], home)
        print(f"{size / 1e6:,.0f} MB of text, {os.cpu_count()} cores, T = {given.context:,}\n")
        print(f"{said}\n")
        print(f"peak memory {cost.memory / 1e6:,.0f} MB, {cost.cpu:,.0f} CPU-seconds\n")
        (dataset,) = home.glob("*/dataset.json")
        drawn = sizes(path, open_dataset(dataset.parent).tokenizer)
        print(f"| {COMPARED:,} documents, packed by | cropped away | cut off from what is before |")
        print("|---|---:|---:|")
        for row in shares(drawn, given.context):
            print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
