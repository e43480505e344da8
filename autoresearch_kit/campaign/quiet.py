"""Waiting, while nothing of the campaign runs, until nobody else uses the machine either."""

import logging
import time
from collections.abc import Sequence

from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.orders import Steps
from autoresearch_kit.execution.devices import Device
from autoresearch_kit.execution.runner.conditions import COMPUTES, Observer, own_processes
from autoresearch_kit.execution.runner.cpu_time import CpuReader
from autoresearch_kit.machine import device_locks, gpu
from autoresearch_kit.records import Accelerator, Conditions, GpuConditions, Settings, Stage
from autoresearch_kit.verdicts.validity import why_busy

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""The length of a look at the machine; counting its processes at both ends takes some ten
milliseconds."""

CALM_LOOKS = 2  # quiet looks in a row that make a quiet machine

BUDGETS = 2.0
LEAST_SECONDS, MOST_SECONDS = 60.0, 900.0
"""The wait in budgets of a run, within these bounds in seconds."""

LONGEST_SECONDS = 3600.0  # the longest wait. It doubles with each disturbed experiment in a row.


def patience(train_seconds: float, disturbed: int = 0) -> float:
    """Return how many seconds to wait after so many disturbed experiments in a row."""
    first = min(max(BUDGETS * train_seconds, LEAST_SECONDS), MOST_SECONDS)
    return min(first * 2.0**disturbed, LONGEST_SECONDS)


def wait_until_quiet(
    heartbeat: Heartbeat,
    settings: Settings,
    devices: Sequence[Device],
    usual: float,
    disturbed: int = 0,
) -> Steps[bool]:
    """Wait until the machine is quiet, after so many disturbed experiments in a row.

    Return whether it is, after `patience` seconds at most; the wait ends with the campaign's hours.
    Looked at are the `devices`: their GPUs, and the cores that their runs are pinned to. `usual` is
    the share of the cores' time that always goes elsewhere here. Without devices, there is no wait.

    Raises:
        Cancelled: a person asked to stop, at once or after this experiment.
    """
    if not devices:  # a cluster's runs disturb and are disturbed on other machines than this one
        return False
    begun, calm = time.monotonic(), 0
    most = min(patience(settings.train_seconds, disturbed), heartbeat.seconds_left)
    heartbeat.stage(Stage.WAITING, "for a quiet machine")
    while (left := begun + most - time.monotonic()) > 0:
        seen = yield from look(heartbeat, devices, min(LOOK_SECONDS, left))
        why = why_busy(seen, settings, usual, when="just now")
        calm = 0 if why else calm + 1
        if calm == CALM_LOOKS:
            return True
        if why:
            heartbeat.stage(Stage.WAITING, f"for a quiet machine, at most {left:.0f} s more: {why}")
    logger.warning("the machine did not become quiet in %.0f s", most)
    return False


def look(
    heartbeat: Heartbeat, devices: Sequence[Device], seconds: float
) -> Steps[Conditions | None]:
    """Watch the cores for so long, and the GPUs; the campaign's own runs are no disturbance.

    A device that another campaign holds now is left out: runs wait for their turn there.
    """
    ours = [device for device in devices if not device_locks.taken_by_another(device.lock_names)]
    cores = {core for device in ours for core in device.cores}
    observer = Observer(CpuReader(cores=cores), look_at_gpus=lambda: ())
    observer.look()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        heartbeat.obey()
        yield ()
    if not ours:
        return None
    seen = observer.end()
    gpus = [device.gpu for device in ours if device.gpu]
    return seen and Conditions(seen.elsewhere, seen.load, seen.busiest, _gpus(gpus))


def _gpus(gpus: Sequence[Accelerator]) -> tuple[GpuConditions, ...]:
    """Return the GPUs, and how many processes compute on each that are not the campaign's."""
    if not gpus:
        return ()
    own = {process.pid for process in own_processes()}
    return tuple(
        GpuConditions(
            name=each.name,
            clock_mhz=each.clock_mhz,
            max_clock_mhz=each.max_clock_mhz,
            temperature_c=each.temperature_c,
            throttled=0.0,
            others=sum(
                share >= COMPUTES for pid, share in each.computing.items() if pid not in own
            ),
        )
        for device in gpus
        for each in gpu.look(device.uuid)
    )
