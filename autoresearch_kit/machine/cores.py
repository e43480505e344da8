"""Choose the logical processors that runs are pinned to, and pin what a thread starts to them."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.machine import cgroups

TOPOLOGY = Path("/sys/devices/system/cpu")


def usable() -> tuple[tuple[int, ...], ...]:
    """Return the cores that this process may use, each as the numbers of its logical processors.

    Empty where the system can't pin processes.
    """
    if sys.platform != "linux":
        return ()
    cores = dict[int, list[int]]()
    for number in sorted(os.sched_getaffinity(0)):
        cores.setdefault(_core(number), []).append(number)
    return tuple(map(tuple, cores.values()))


def for_slots(slots: int, each: int) -> tuple[tuple[int, ...], ...]:
    """Return the processors of each of so many slots, one for each of its cores.

    The second thread of a core is left to the rest of the machine.

    Raises:
        InputError: there are too few cores, or too little CPU time, for that.
    """
    cores = [core[0] for core in usable()[: cgroups.cpus()]]
    if slots * each > len(cores):
        raise InputError(
            f"{slots} slots of {each} cores need {slots * each} cores that runs can be pinned to; "
            f"this process may use {len(cores)}: --devices all, or cpu:SLOTSxCORES with fewer"
        )
    return tuple(tuple(cores[at * each : (at + 1) * each]) for at in range(slots))


def split(parts: int) -> tuple[tuple[int, ...], ...]:
    """Return the usable processors in so many even parts; empty ones where there are too few.

    One part is not pinned: it is empty, too.
    """
    cores = usable()
    each = len(cores) // parts
    if parts == 1 or not each:
        return ((),) * parts
    shares = [cores[at * each : (at + 1) * each] for at in range(parts)]
    return tuple(tuple(number for core in share for number in core) for share in shares)


@contextmanager
def pinned(processors: Sequence[int]) -> Iterator[None]:
    """Pin this thread, and what it starts in here for good, to these processors; none: to no other.

    Raises:
        OSError: this process may use none of them.
    """
    if not processors:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _core(number: int) -> int:
    """Return the number of the core's first logical processor; its own where that is not known."""
    siblings = TOPOLOGY / f"cpu{number}" / "topology" / "thread_siblings_list"
    try:
        return int(siblings.read_text().replace("-", ",").split(",")[0])
    except (OSError, ValueError):
        return number
