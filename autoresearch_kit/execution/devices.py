"""Devices of this machine: what one run at a time has to itself."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.machine import cores
from autoresearch_kit.records import Accelerator, Fingerprint, Machine, SandboxLevel

LEAST_CORES = 4
"""The fewest cores on which the next run is started while one trains. With fewer, that takes from
training what it saves: on two cores it was seen to halve training."""

ALL = "all"

AT_ONCE = 4  # devices that are probed at a time: each probe imports torch


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
        """Return the GPU; None if the device is a set of cores."""
        return self.machine.gpu

    @property
    def lock_names(self) -> tuple[str, ...]:
        """Return the names under which the device is locked on this machine.

        Cores that nothing is pinned to are shared with all, as is a GPU without a UUID.
        """
        if self.gpu:
            return (f"gpu-{self.gpu.uuid}",) if self.gpu.uuid else ()
        return tuple(f"core-{core}" for core in self.cores)

    @property
    def ahead(self) -> bool:
        """Return whether there are cores to start the next run beside one that trains."""
        threads = self.machine.cores
        return min(threads, len(self.cores) or threads) >= LEAST_CORES


@dataclass(frozen=True)
class DeviceRequest:
    """The devices that `--devices` asks for: GPUs by their numbers, or slots of so many cores.

    Without either: every GPU, or one slot of all cores.
    """

    gpus: tuple[int, ...] = ()
    slots: int = 0
    cores: int = 0


def parse(asked: str) -> DeviceRequest:
    """Return what `--devices` asks for; InputError if it is not understood."""
    if asked == ALL:
        return DeviceRequest()
    if re.fullmatch(r"\d{1,4}(,\d{1,4})*", asked, re.ASCII):
        return DeviceRequest(gpus=tuple(dict.fromkeys(map(int, asked.split(",")))))
    if match := re.fullmatch(r"cpu:([1-9]\d{0,3})x([1-9]\d{0,3})", asked, re.ASCII):
        return DeviceRequest(slots=int(match[1]), cores=int(match[2]))
    raise InputError(
        f"--devices is {asked!r}; it must be `all`, GPUs by their numbers, such as `0,1`, or "
        f"slots of a CPU's cores, such as `cpu:2x4` for 2 slots of 4 cores each"
    )


def check(asked: DeviceRequest) -> None:
    """Check that there are the cores that are asked for; GPUs are counted by `find`.

    Raises:
        InputError: there are too few.
    """
    if asked.slots:
        cores.for_slots(asked.slots, asked.cores)


def find(asked: DeviceRequest, fingerprint: Callable[[Machine], Fingerprint]) -> tuple[Device, ...]:
    """Return the devices of this machine that are asked for, probed one by one.

    `fingerprint` says what scores measured on a machine depend on. Each of several GPUs has an even
    part of the cores.

    Raises:
        InputError: there are too few of them.
        KitError: torch does not work here.
    """
    if asked.slots:
        pinned = cores.for_slots(asked.slots, asked.cores)
        machine = machine_probe.probe_cpu(pinned[0])
        here = fingerprint(machine)
        return tuple(Device(f"cpu{at}", machine, here, each) for at, each in enumerate(pinned))
    machines = machine_probe.probe_all()
    if machines[0].gpu is None:
        _check_numbers(asked, 0, "torch uses no GPU here")
        return (Device("cpu0", machines[0], fingerprint(machines[0])),)
    names = ", ".join(f"{at}: {machine.device}" for at, machine in enumerate(machines))
    _check_numbers(asked, len(machines), f"this machine has {names}")
    shares = cores.split(len(machines))
    return tuple(
        Device(f"gpu{at}", machine, fingerprint(machine), share)
        for at, (machine, share) in enumerate(zip(machines, shares, strict=True))
        if not asked.gpus or at in asked.gpus
    )


def check_inside(devices: Sequence[Device], level: SandboxLevel) -> None:
    """Check that a run on each of these devices computes there, and sees no other GPU.

    Raises:
        KitError: it is not so; the message says what it sees, and what to do.
    """
    with ThreadPoolExecutor(AT_ONCE) as probes:
        list(probes.map(lambda device: machine_probe.check_inside(device.machine, level), devices))


def _check_numbers(asked: DeviceRequest, count: int, there: str) -> None:
    missing = [number for number in asked.gpus if number >= count]
    if missing:
        numbers = ",".join(map(str, asked.gpus))
        raise InputError(
            f"--devices is {numbers}, but {there}; choose of those, or `all`, or `cpu:2x4` for "
            f"slots of cores"
        )
