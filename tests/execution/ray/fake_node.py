"""Fake `node` in a package that is brought to nodes: an order waits, and is delivered.

A run is a child process that lives as long as this one, and carries the run's id, as a runner does.
What the node says of itself lies in `node.json` in its cache.
"""

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.pool import Order
from autoresearch_kit.execution.ray.messages import RUN, STOPPED, NodeSetup, Report
from autoresearch_kit.records import (
    Clock,
    Fingerprint,
    Machine,
    Reason,
    Run,
    SandboxLevel,
    codec,
)


class NodeSlot:
    def __init__(self, campaign: str) -> None:
        self._campaign = campaign
        self._ended = threading.Event()

    @property
    def report(self) -> bytes:
        machine = Machine("EPYC", False, "float32", False, 1, 1000.0, "2.13", "3", "Linux")
        here = Fingerprint("c", "t", "p", "s", "2.13", "EPYC", Clock.CPU)
        return codec.compact(Report(machine, here, SandboxLevel.BUBBLEWRAP))

    def carry_out(self, order: bytes, folder: str) -> Mapping[str, bytes]:
        wanted = codec.decode(Order, order)
        self._ended.clear()
        env = os.environ | {"AUTORESEARCH_RUN_ID": f"{self._campaign}-run"}
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, env=env) as child:
            stopped = self._ended.wait(wanted.train_seconds)
            child.kill()
        if stopped:
            return {STOPPED: b""}
        run = Run(wanted.seed, None, Reason.ERROR, folder, 1, 0, 1, 1, 1, 1, SandboxLevel.NONE)
        return {RUN: codec.compact(run), "executed.ipynb": wanted.notebook.encode()}

    def cancel(self) -> None:
        self._ended.set()

    def close(self) -> None:
        self._ended.set()


def open_slot(setup: bytes, cache: Path, kit: Path, dataset: Path, *, gpu: bool) -> NodeSlot:
    told = json.loads((cache / "node.json").read_text())
    if why := told.get("refuses"):
        raise KitError(why)
    assert (dataset / "dataset.json").is_file()
    return NodeSlot(codec.decode(NodeSetup, setup).campaign)
