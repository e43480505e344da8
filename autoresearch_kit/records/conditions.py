"""The machine while a run trained: what else used its cores and GPUs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuConditions:
    """One GPU while a run trained: mean clock and its maximum in MHz, the highest temperature in C.

    `throttled` is the share of samples in which heat or the power supply slowed it down; its own
    power limit, at which every busy GPU runs, does not count. `others` counts the processes of
    others that computed on it. A value that the GPU does not report is 0.
    """

    name: str
    clock_mhz: float
    max_clock_mhz: float
    temperature_c: float
    throttled: float
    others: int


@dataclass(frozen=True)
class Conditions:
    """The machine while a run trained.

    `elsewhere` is the share of all cores' time, in [0, 1], that other processes or the machine's
    host used. `load` is the load average of the last minute, at the end. `busiest` names the other
    processes that used the most, for people.
    """

    elsewhere: float
    load: float
    busiest: str = ""
    gpus: tuple[GpuConditions, ...] = ()
