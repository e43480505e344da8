"""How much of a GPU's memory one run holds, as the driver counts it."""

from collections.abc import Callable, Collection

import psutil

from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.machine import gpu
from autoresearch_kit.machine.gpu import GpuMemory


class GpuPeak:
    """The highest of the looks at what a run holds, in MB; None where there is no NVIDIA GPU.

    A driver that numbers processes otherwise, or names none, as in containers, can't say what is
    the run's: then that is what is in use above the least seen so far. So the first look is to be
    taken before the run has used a GPU.
    """

    def __init__(self, look: Callable[[], tuple[GpuMemory, ...]] = gpu.memory) -> None:
        self.mb: float | None = None
        self.total_mb = 0.0
        self._look = look
        self._least: dict[str, int] = {}

    def look(self, own: Collection[int]) -> float:
        """Return what the run, whose processes are `own`, holds now, in MB; a millisecond."""
        gpus = self._look()
        held = sum(self._held(one, own) for one in gpus) / MEGABYTE
        if gpus:
            self.mb = max(self.mb or 0.0, held)
            self.total_mb = sum(one.total for one in gpus) / MEGABYTE
        return held

    def _held(self, one: GpuMemory, own: Collection[int]) -> int:
        least = self._least[one.uuid] = min(self._least.get(one.uuid, one.used), one.used)
        mine = [size for process, size in one.processes.items() if process in own]
        known = [size for size in mine if size is not None]
        if mine and len(known) == len(mine):
            return sum(known)
        if one.processes and not mine and all(map(psutil.pid_exists, one.processes)):
            return 0  # all are here, and others'
        return one.used - least
