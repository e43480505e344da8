"""Devices of this machine: what one run at a time has to itself."""

from dataclasses import dataclass

from autoresearch_kit.records import Accelerator, Fingerprint, Machine

LEAST_CORES = 4
"""The fewest cores on which the next run is started while one trains. With fewer, that takes from
training what it saves: on two cores it was seen to halve training."""


@dataclass(frozen=True)
class Device:
    """A GPU of this machine, or some or all of its cores.

    `name` is `gpu0` or `cpu0`; scores depend on `fingerprint`. `machine` is what a run there sees.
    `cores` are the numbers of the logical processors that its runs are pinned to; empty: to none.
    """

    name: str
    machine: Machine
    fingerprint: Fingerprint
    cores: tuple[int, ...] = ()

    @property
    def gpu(self) -> Accelerator | None:
        """Return the GPU that it is; None for cores."""
        return self.machine.gpu

    @property
    def ahead(self) -> bool:
        """Return whether there are cores to start the next run beside one that trains."""
        cores = self.machine.cores
        return min(cores, len(self.cores) or cores) >= LEAST_CORES
