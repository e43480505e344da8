"""Measure how much GPU memory one run holds, as the driver counts it."""

from collections.abc import Callable, Collection

import psutil

from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.machine.gpu import GpuMemory, memory


class GpuPeak:
    """The highest GPU memory that a run was seen to hold, in MB; None without an NVIDIA GPU.

    In containers the driver may number processes differently or name none: then the run's memory is
    what is in use above the least seen so far. So look once before the run has used a GPU.
    """

    def __init__(self, look: Callable[[], tuple[GpuMemory, ...]] = memory) -> None:
        self.mb: float | None = None
        self.total_mb = 0.0
        self._look = look
        self._least: dict[str, int] = {}

    def look(self, own: Collection[int]) -> float:
        """Return the MB that the run, whose processes are `own`, holds; takes a millisecond."""
        gpus = self._look()
        held = sum(self._held(gpu, own) for gpu in gpus) / MEGABYTE
        if gpus:
            self.mb = max(self.mb or 0.0, held)
            self.total_mb = sum(gpu.total for gpu in gpus) / MEGABYTE
        return held

    def _held(self, gpu: GpuMemory, own: Collection[int]) -> int:
        least = self._least[gpu.uuid] = min(self._least.get(gpu.uuid, gpu.used), gpu.used)
        mine = [size for process, size in gpu.processes.items() if process in own]
        known = [size for size in mine if size is not None]
        if mine and len(known) == len(mine):
            return sum(known)
        if gpu.processes and not mine and all(map(psutil.pid_exists, gpu.processes)):
            return 0  # the driver's numbers are ours, and all processes others'
        return gpu.used - least
