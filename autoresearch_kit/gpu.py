"""What NVIDIA's GPUs say of themselves, asked through its management library; loads no CUDA.

Each answer may be missing: a driver that is older, a GPU that is partitioned or is no data
centre's. Where there is no NVIDIA driver, there are no GPUs.
"""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import pynvml

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


def _use(handle: pynvml.c_nvmlDevice_t) -> str:
    rates, memory = (
        pynvml.nvmlDeviceGetUtilizationRates(handle),
        pynvml.nvmlDeviceGetMemoryInfo(handle),
    )
    return f"GPU {rates.gpu}% busy, {memory.used >> 20} of {memory.total >> 20} MiB"


def _asked(question: Callable[..., T], *about: object, otherwise: T) -> T:
    try:
        return question(*about)
    except pynvml.NVMLError:
        return otherwise
