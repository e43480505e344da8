"""Start the Jupyter kernel of a run: in the sandbox, reached over sockets in the file system."""

import os
import sys
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.runner import compile_cache
from autoresearch_kit.execution.runner.compiling import granted_file
from autoresearch_kit.execution.runner.run_clock import clock_file
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.machine import cgroups
from autoresearch_kit.records import Clock, RunPlace, SandboxLevel

KERNEL_NAME = "python3"

LAUNCHER = "autoresearch_kit.execution.runner.bare_kernel"
WARM_LAUNCHER = "autoresearch_kit.training.warm_kernel"
"""The second imports torch while it waits."""

NO_HISTORY = "--HistoryManager.hist_file=:memory:"

INFO_FILE = "dataset.json"
SEEN_OF_DATASET = (INFO_FILE, "tokenizer", "token_bytes.npy", "train")
"""Parts of a data set that a notebook may see: neither val nor audit."""


class _OneSpec(KernelSpecManager):
    """Knows one kernel, whatever is installed on this machine."""

    spec: KernelSpec

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002
        """Return the kernel, whatever its name."""
        return self.spec


def start(place: RunPlace, output: int) -> AsyncKernelManager:
    """Start the run's kernel, whose process prints to the descriptor `output`.

    Its network namespace leaves no TCP. Sockets need short paths, hence a folder of their own.
    """
    sockets = reap.socket_folder(place.run_id)
    sockets.mkdir(mode=0o700)
    launcher = WARM_LAUNCHER if place.waits else LAUNCHER
    argv = [sys.executable, "-P", "-m", launcher, "-f", "{connection_file}"]
    specs = _OneSpec()
    specs.spec = KernelSpec(
        argv=_in_cgroup(place, command(place, argv, sockets)),
        display_name="Python 3",
        language="python",
    )
    kernel = AsyncKernelManager(
        kernel_name=KERNEL_NAME,
        kernel_spec_manager=specs,
        transport="ipc",
        ip=str(sockets / "k"),
        connection_file=str(sockets / "kernel.json"),
    )
    # the other end stays open as long as this process lives: see `lifeline.end_with_starter`
    lifeline, _ = os.pipe()
    run_sync(kernel.start_kernel)(
        extra_arguments=[NO_HISTORY],
        cwd=str(place.folder / handover.WORK_FOLDER),
        stdin=lifeline,
        stdout=output,
        stderr=output,
    )
    os.close(lifeline)
    return kernel


def _in_cgroup(place: RunPlace, argv: list[str]) -> list[str]:
    """Return the command in a cgroup of its own, to count its CPU time, if one can be made."""
    cgroup = reap.run_cgroup(place.run_id) if place.clock is Clock.CPU else None
    if cgroup is None or not cgroups.make(cgroup):
        return argv
    return ["sh", "-c", 'echo 0 2>/dev/null >"$0"; exec "$@"', str(cgroup / "cgroup.procs"), *argv]


def command(place: RunPlace, argv: list[str], sockets: Path) -> list[str]:
    """Return the command line of a process that sees what a notebook sees."""
    shown = [place.dataset / name for name in SEEN_OF_DATASET]
    return bubblewrap.command(
        place.sandbox,
        argv,
        read_only=[
            place.kit / "autoresearch_kit",
            granted_file(place.folder).parent,
            *(path for path in shown if path.exists()),
        ],
        writable=[place.folder / handover.WORK_FOLDER, sockets],
        sight=place.sight,
        gpu=place.gpu,
        env=_environment(place),
    )


def _environment(place: RunPlace) -> dict[str, str]:
    work = place.folder / handover.WORK_FOLDER
    home = work / handover.HOME_FOLDER
    sandboxed = place.sandbox is SandboxLevel.BUBBLEWRAP
    more = {
        handover.WORK: str(work),
        handover.COMPILE_SECONDS: str(granted_file(place.folder)),
        handover.DATASET: str(place.dataset),
        handover.DEVICE: place.device,
        "JPY_PARENT_PID": "1" if sandboxed else str(os.getpid()),
        "TMPDIR": "/tmp" if sandboxed else str(home),
    }
    if place.clock is Clock.CPU:
        more |= {handover.CLOCK: str(clock_file(place)), **bubblewrap.SLEEPING_THREADS}
    if place.profiled:
        more[handover.PROFILE] = "1"
    return bubblewrap.environment(
        home=home,
        kit=place.kit,
        run_id=place.run_id,
        gpu=place.gpu,
        more=more | compile_cache.variables(work),
    )
