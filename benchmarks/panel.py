"""Measure what the panel costs its kernel over a night: milliseconds a refresh, and memory.

`python benchmarks/panel.py [EXPERIMENTS]` lets a panel watch a campaign of ready-made experiments
that arrive one by one; a refresh follows each, and two more see nothing new.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
from ledger import experiment, text

from autoresearch_kit.ledger import History
from autoresearch_kit.ui.panel import Panel


def refresh(panel: Panel) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    panel.refresh()
    return 1000 * (time.perf_counter() - begun)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        subprocess.run(["git", "init", "-q", root], check=True)
        history, panel = History(root, "night"), Panel("night", root=root)
        notebook = text(26_000, 0)
        print("experiments   unchanged, ms   with a new one and its picture, ms   memory, MB")
        new, same = [], []
        for number in range(count):
            history.append(experiment(number), notebook, {"run-1.ipynb": notebook.encode()})
            new.append(refresh(panel))
            same += [refresh(panel), refresh(panel)]
            if (number + 1) % 100 == 0 or number == 9:
                memory = psutil.Process().memory_info().rss / 1e6
                print(f"{number + 1:11}{median(same):16.1f}{median(new):37.1f}{memory:13.0f}")
                new, same = [], []


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
