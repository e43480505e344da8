"""Measure the git ledger: seconds to write and read experiments, and their size on disk.

`python benchmarks/ledger.py [EXPERIMENTS]` makes a campaign of 26 KB notebooks in a temporary
repository, each experiment with an executed notebook and a loss curve.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autoresearch_kit.ledger import History
from autoresearch_kit.records import (
    Experiment,
    Fingerprint,
    Proposal,
    Reason,
    Run,
    SandboxLevel,
    Score,
    Settings,
    Verdict,
)
from autoresearch_kit.reports.tables import to_frame

WORDS = Path(tempfile.__file__).read_text().split()


def text(size: int, seed: int) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) for _ in range(size // 6))[:size]


def experiment(number: int) -> Experiment:
    score = Score("val_bpb", 1.2, 800_000.0, 960_000, 262_144, 1e-6, 5.0)
    parts = {"start": 1.0, "submit": 0.5, "score": 8.0, "shutdown": 0.2}
    tokens, sandbox = 3_000_000, SandboxLevel.BUBBLEWRAP
    run = Run(0, score, None, "", 300.0, 12.0, 320.0, 1500, tokens, 900.0, sandbox, parts)
    return Experiment(
        tag="night",
        proposal=Proposal(number, None if number == 0 else 0, "optuna", text(60, 1), text(200, 2)),
        verdict=Verdict.DISCARD if number else Verdict.KEEP,
        reason=Reason.WORSE if number else Reason.BASELINE,
        detail="",
        runs=(run,),
        nodes=4000,
        constants={f"CONSTANT_{place}": 0.1 * place for place in range(20)},
        structure="0123456789abcdef",
        fingerprint=Fingerprint("c0ffee", "70ce4", "bb", "5c", "2.13", "cpu"),
        settings=Settings("stdlib", 300.0, 660.0, 60.0, 4000.0, "optuna", "cpu"),
        kit_version="0.1.0",
        started="2026-03-08T21:00:00+00:00",
        finished="2026-03-08T21:05:20+00:00",
    )


def fill(history: History, count: int) -> None:
    notebook = text(26_000, 0)
    curve = "".join(f'{{"step": {n}, "loss": {3 + 1 / (n + 1):.6f}}}\n' for n in range(1500))
    for number in range(count):
        source = notebook.replace("import", f"import_{number}", 3)
        files = {"run-1.ipynb": f"{source}{text(4_000, number)}".encode()}
        files["metrics.jsonl"] = curve.replace("3.", f"3.{number}").encode()
        history.append(experiment(number), source, files)


def kilobytes(folder: Path) -> int:
    return int(subprocess.check_output(["du", "-sk", folder / ".git"]).split()[0])


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        subprocess.run(["git", "init", "-q", root], check=True)
        history, empty = History(root, "night"), kilobytes(root)
        begun = time.perf_counter()
        fill(history, count)
        print(f"append              {(time.perf_counter() - begun) / count:.3f} s an experiment")
        print(f"size, loose         {(kilobytes(root) - empty) / count:.1f} KB an experiment")
        report_reading(history, "loose")
        subprocess.run(["git", "-C", root, "gc", "-q"], check=True)
        print(f"size, packed        {(kilobytes(root) - empty) / count:.1f} KB an experiment")
        report_reading(history, "packed")


def report_reading(history: History, state: str) -> None:
    begun = time.perf_counter()
    entries = history.entries()
    read = time.perf_counter()
    to_frame(entries)
    framed = time.perf_counter()
    print(f"read {len(entries)}, {state:6}   {read - begun:.2f} s, frame {framed - read:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
