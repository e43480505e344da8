"""End everything that a run has started, wherever it hides, and check that nothing is left."""

import ctypes
import hashlib
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.machine import cgroups

RUN_ID = "AUTORESEARCH_RUN_ID"
"""The environment variable that every process of a run carries from its start."""

SOCKETS = Path("/tmp")  # not in $TMPDIR, which differs between a runner and its caller

ENVIRON_BYTES = 128 * 1024
"""Bytes of an environment in which the run's id is looked for; a run's have some 2 KB."""

PATIENCE = 20.0
"""Seconds to wait for killed processes to go; one inside a driver's call can take a while."""

PR_SET_CHILD_SUBREAPER = 36  # from Linux's <sys/prctl.h>


def socket_folder(run_id: str) -> Path:
    """Return the run's folder for Jupyter's sockets. A socket's path has at most 107 bytes."""
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:12]
    return SOCKETS / f"autoresearch-{digest}"


def run_cgroup(run_id: str) -> Path | None:
    """Return the folder of the run's own cgroup; None where none can be made."""
    return cgroups.below(socket_folder(run_id).name)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant that loses its own, on Linux.

    A process that forked twice then stays a descendant, whatever its environment says.

    Raises:
        OSError: the kernel refused.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def members(run_id: str) -> list[psutil.Process]:
    """Return the living processes that carry the run's id, and all their descendants.

    The caller and its ancestors are left out, though the caller's descendants may be among them.
    """
    everyone = list(psutil.process_iter(["ppid", "status"]))
    children: dict[int, list[psutil.Process]] = {}
    for process in everyone:
        children.setdefault(process.info["ppid"], []).append(process)
    members = set[psutil.Process]()
    left = [process for process in everyone if _carries(process, run_id)]
    while left:
        process = left.pop()
        if process not in members:
            members.add(process)
            left.extend(children.get(process.pid, []))
    me = psutil.Process()
    members -= {me, *me.parents()}
    living = (each for each in members if each.info["status"] != psutil.STATUS_ZOMBIE)
    return sorted(living, key=lambda process: process.pid)


def reap(run_id: str) -> int:
    """Kill the run's processes until none is left, remove its sockets; return how many were killed.

    Raises:
        ExecutionError: some are still there after `PATIENCE`; the message names them.
    """
    killed: set[psutil.Process] = set()
    deadline = time.monotonic() + PATIENCE
    while left := members(run_id):  # those that are killed may have started others meanwhile
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in left)
            raise ExecutionError(f"run {run_id}: processes {pids} can't be killed; end them first")
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=0.5)
        killed.update(left)
    with suppress(OSError):
        remove_tree(socket_folder(run_id))
    if (cgroup := run_cgroup(run_id)) is not None:
        cgroups.remove(cgroup)
    return len(killed)


def _carries(process: psutil.Process, run_id: str) -> bool:
    try:
        if not psutil.LINUX:
            return process.environ().get(RUN_ID) == run_id
        # bounded: a process can claim that its environment is as large as its address space
        with open(f"/proc/{process.pid}/environ", "rb") as environ:  # noqa: PTH123 - called often
            return f"{RUN_ID}={run_id}".encode() in environ.read(ENVIRON_BYTES).split(b"\0")
    except (psutil.Error, OSError):
        return False
