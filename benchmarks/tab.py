"""Measure the memory of a browser's tab with the panel, and of its kernel, over a night.

`PYTHONPATH=. python benchmarks/tab.py [EXPERIMENTS]`, in the checkout, opens a panel in JupyterLab
and chromium, both headless, and lets ready-made experiments arrive, one every half second.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import psutil
from ledger import experiment, text
from playwright.sync_api import CDPSession

from autoresearch_kit.ledger import History
from tests.ui.browser import lab

PANEL = 'from autoresearch_kit.ui.control import Panel\n\nPanel("night")'
APART, SETTLED = 350, 4_500
"""Milliseconds between two experiments, beside what git takes; and before memory is read."""


def heap(tab: CDPSession) -> tuple[float, int]:
    """Return MB that the tab's scripts hold after a collection, and nodes of its page."""
    tab.send("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in tab.send("Performance.getMetrics")["metrics"]}
    return found["JSHeapUsedSize"] / 1e6, int(found["Nodes"])


def kernel() -> float:
    """Return MB of the kernel's process."""
    [found] = [
        process
        for process in psutil.Process().children(recursive=True)
        if "ipykernel_launcher" in process.cmdline()
    ]
    return float(found.memory_info().rss) / 1e6


def make_project(root: Path) -> None:
    subprocess.run(["git", "init", "-q", root], check=True)
    cell = nbformat.v4.new_code_cell(PANEL)
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    (root / "notebooks").mkdir()
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": spec})
    nbformat.write(notebook, root / "notebooks" / "control.ipynb")


def main(count: int) -> None:
    notebook = text(26_000, 0)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_project(root)
        history = History(root, "night")
        with lab.jupyter_lab(root, root / ".lab") as address, lab.browser() as page:
            lab.open_notebook(page, address, "notebooks/control.ipynb")
            lab.run_all(page)
            page.locator(".ark").first.wait_for()
            tab = page.context.new_cdp_session(page)
            tab.send("Performance.enable")
            print("experiments   tab, MB   nodes   kernel, MB")
            for number in range(count):
                history.append(experiment(number), notebook, {"run-1.ipynb": notebook.encode()})
                page.wait_for_timeout(APART)
                if (number + 1) % 100 == 0 or number == 9:
                    page.wait_for_timeout(SETTLED)
                    held, nodes = heap(tab)
                    print(f"{number + 1:11} {held:9.1f} {nodes:7,} {kernel():12.0f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
