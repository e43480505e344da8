"""Ask NVIDIA's GPUs about their state through the management library, without loading CUDA.

Any answer may be missing: with an older driver, a partitioned GPU, or one that is not made for data
centres. Without an NVIDIA driver there are no GPUs.
"""

import functools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import pynvml

from autoresearch_kit.files.bounded import MEGABYTE

T = TypeVar("T")

SLOWDOWNS = (
    pynvml.nvmlClocksEventReasonHwSlowdown
    | pynvml.nvmlClocksEventReasonSwThermalSlowdown
    | pynvml.nvmlClocksEventReasonHwThermalSlowdown
    | pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown
)
"""Reasons that count: heat, and too little power from the machine. Every busy GPU is at its own
power limit, so that this one does not."""

RECENT_MICROSECONDS = 1_000_000
"""Age of the samples that are read; the driver takes up to six a second."""


VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The environment variable that names the GPUs which CUDA shows a process."""


@dataclass(frozen=True)
class GpuLook:
    """The state of one GPU: clocks in MHz, temperature in degrees Celsius, 0 where unknown.

    `slowed`: heat or lack of power slow it down. `computing` has the processes that lately computed
    or drew on it, each with its percentage of the multiprocessors' time.
    """

    uuid: str
    name: str
    clock_mhz: int
    max_clock_mhz: int
    temperature_c: int
    slowed: bool
    computing: Mapping[int, int]


@dataclass(frozen=True)
class GpuMemory:
    """The memory of one GPU in bytes: in use, and in total.

    `processes` has the bytes of each process that computes there, None where they are unknown.
    """

    uuid: str
    used: int
    total: int
    processes: Mapping[int, int | None]


@functools.cache
def reachable() -> bool:
    """Return whether there is an NVIDIA driver to ask. If so, the first call may take a second."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    return True


def look(only: str = "") -> tuple[GpuLook, ...]:
    """Return the state of the GPU of this UUID, without one of all; takes a few milliseconds."""
    return tuple(_look(handle) for handle in _handles(only))


def memory(only: str = "") -> tuple[GpuMemory, ...]:
    """Return the memory of the GPU of this UUID; without one, of all that may be used.

    Takes about a millisecond.
    """
    memories = (_asked(_memory, handle, otherwise=None) for handle in _handles(only))
    return tuple(gpu for gpu in memories if gpu is not None and (only or _visible(gpu.uuid)))


def visible_parts() -> tuple[str, ...]:
    """Return the UUIDs of the parts of partitioned GPUs (MIG) that this process may use."""
    parts = [uuid for handle in _handles() for uuid in _parts(handle)]
    visible = os.environ.get(VISIBLE)
    names = None if visible is None else [name.strip() for name in visible.split(",")]
    return tuple(uuid for uuid in parts if names is None or uuid in names)


def gpu_use() -> str:
    """Return how busy and how full each GPU is, for people; empty where there is none."""
    uses = (_asked(_use, handle, otherwise="") for handle in _handles())
    return ", ".join(use for use in uses if use)


def _parts(handle: pynvml.c_nvmlDevice_t) -> list[str]:
    count = _asked(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle, otherwise=0)
    asked = pynvml.nvmlDeviceGetMigDeviceHandleByIndex
    parts = (_asked(asked, handle, index, otherwise=None) for index in range(count))
    uuids = (_asked(pynvml.nvmlDeviceGetUUID, part, otherwise="") for part in parts if part)
    return [uuid for uuid in uuids if uuid]


def _handles(only: str = "") -> list[pynvml.c_nvmlDevice_t]:
    if only and reachable():
        one = _asked(pynvml.nvmlDeviceGetHandleByUUID, only, otherwise=None)
        return [] if one is None else [one]
    count = _asked(pynvml.nvmlDeviceGetCount, otherwise=0) if reachable() else 0
    asked = pynvml.nvmlDeviceGetHandleByIndex
    handles = (_asked(asked, index, otherwise=None) for index in range(count))
    return [handle for handle in handles if handle is not None]


def _look(handle: pynvml.c_nvmlDevice_t) -> GpuLook:
    clock, heat = pynvml.NVML_CLOCK_SM, pynvml.NVML_TEMPERATURE_GPU
    reasons = _asked(pynvml.nvmlDeviceGetCurrentClocksEventReasons, handle, otherwise=0)
    return GpuLook(
        uuid=_asked(pynvml.nvmlDeviceGetUUID, handle, otherwise=""),
        name=_asked(pynvml.nvmlDeviceGetName, handle, otherwise="GPU"),
        clock_mhz=_asked(pynvml.nvmlDeviceGetClockInfo, handle, clock, otherwise=0),
        max_clock_mhz=_asked(pynvml.nvmlDeviceGetMaxClockInfo, handle, clock, otherwise=0),
        temperature_c=_asked(pynvml.nvmlDeviceGetTemperature, handle, heat, otherwise=0),
        slowed=bool(reasons & SLOWDOWNS),
        computing=_asked(_computing, handle, otherwise={}),
    )


def _computing(handle: pynvml.c_nvmlDevice_t) -> Mapping[int, int]:
    since = time.time_ns() // 1000 - RECENT_MICROSECONDS
    samples = pynvml.nvmlDeviceGetProcessUtilization(handle, since)
    return {sample.pid: sample.smUtil for sample in samples}


def _memory(handle: pynvml.c_nvmlDevice_t) -> GpuMemory:
    info = pynvml.nvmlDeviceGetMemoryInfo(handle)
    uuid = _asked(pynvml.nvmlDeviceGetUUID, handle, otherwise="")
    return GpuMemory(uuid, info.used, info.total, processes=_asked(_holding, handle, otherwise={}))


def _holding(handle: pynvml.c_nvmlDevice_t) -> Mapping[int, int | None]:
    # with a version in its name: without it, an older driver raises an error that is no NVMLError
    processes = pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
    return {process.pid: process.usedGpuMemory for process in processes}


def _visible(uuid: str) -> bool:
    """Return whether CUDA may use this GPU, by the UUIDs, or their starts, in CUDA_VISIBLE_DEVICES.

    Numbers there don't tell, since CUDA and the driver count in different orders.
    """
    visible = os.environ.get(VISIBLE)
    if visible is None:
        return True
    names = [name.strip() for name in visible.split(",")]
    unknown = any(name.isdecimal() or name.startswith("MIG-") for name in names)
    return unknown or any(name and uuid.startswith(name) for name in names)


def _use(handle: pynvml.c_nvmlDevice_t) -> str:
    rates = pynvml.nvmlDeviceGetUtilizationRates(handle)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    used, total = memory.used / MEGABYTE, memory.total / MEGABYTE
    return f"GPU {rates.gpu}% busy, {used:,.0f} of {total:,.0f} MB"


def _asked(question: Callable[..., T], *about: object, otherwise: T) -> T:
    try:
        return question(*about)
    except pynvml.NVMLError:
        return otherwise
