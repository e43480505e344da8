"""What NVIDIA's GPUs say of themselves, asked through its management library; loads no CUDA.

Each answer may be missing: a driver that is older, a GPU that is partitioned or is no data
centre's. Where there is no NVIDIA driver, there are no GPUs.
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
"""Heat, and power that the machine does not give. At its own power limit every busy GPU is."""

RECENT_MICROSECONDS = 1_000_000
"""The driver takes a sample of its processes up to six times a second."""


@dataclass(frozen=True)
class GpuLook:
    """One GPU at a moment: clocks in MHz, temperature in C, 0 where it does not say.

    `slowed` is by heat or want of power. `computing` has the processes that lately computed on it,
    or drew, and the percentage of its multiprocessors' time that each took.
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
    """The memory of one GPU at a moment, in bytes: in use, and all that it has.

    `processes` has what each process that computes there holds, None where the driver does not say.
    """

    uuid: str
    used: int
    total: int
    processes: Mapping[int, int | None]


@functools.cache
def reachable() -> bool:
    """Whether there is an NVIDIA driver to ask. The first time may take a second where there is."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    return True


def look() -> tuple[GpuLook, ...]:
    """Every GPU as it is now; a few milliseconds."""
    return tuple(_look(handle) for handle in _handles())


def memory() -> tuple[GpuMemory, ...]:
    """Return the memory of each GPU that this process's programs may use; about a millisecond."""
    found = (_asked(_memory, handle, otherwise=None) for handle in _handles())
    return tuple(one for one in found if one is not None and _visible(one.uuid))


def gpu_use() -> str:
    """Percent busy and memory of each GPU, for people; empty where there is none."""
    uses = (_asked(_use, handle, otherwise="") for handle in _handles())
    return ", ".join(use for use in uses if use)


def _handles() -> list[pynvml.c_nvmlDevice_t]:
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


def _memory(handle: pynvml.c_nvmlDevice_t) -> GpuMemory | None:
    info = pynvml.nvmlDeviceGetMemoryInfo(handle)
    uuid = _asked(pynvml.nvmlDeviceGetUUID, handle, otherwise="")
    return GpuMemory(uuid, info.used, info.total, processes=_asked(_holding, handle, otherwise={}))


def _holding(handle: pynvml.c_nvmlDevice_t) -> Mapping[int, int | None]:
    # by its version: without one, an older driver raises what is no NVMLError
    processes = pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
    return {process.pid: process.usedGpuMemory for process in processes}


def _visible(uuid: str) -> bool:
    """Whether CUDA may use this GPU: CUDA_VISIBLE_DEVICES may name those it may, in short too.

    By their numbers it can't be told, since CUDA and the driver count in different orders.
    """
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is None:
        return True
    named = [name.strip() for name in told.split(",")]
    untold = any(name.isdecimal() or name.startswith("MIG-") for name in named)
    return untold or any(name and uuid.startswith(name) for name in named)


def _use(handle: pynvml.c_nvmlDevice_t) -> str:
    rates, memory = (
        pynvml.nvmlDeviceGetUtilizationRates(handle),
        pynvml.nvmlDeviceGetMemoryInfo(handle),
    )
    used, total = memory.used / MEGABYTE, memory.total / MEGABYTE
    return f"GPU {rates.gpu}% busy, {used:,.0f} of {total:,.0f} MB"


def _asked(question: Callable[..., T], *about: object, otherwise: T) -> T:
    try:
        return question(*about)
    except pynvml.NVMLError:
        return otherwise
