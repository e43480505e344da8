"""Start the Jupyter kernel of a run: in the sandbox, reached over sockets in the file system."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

from autoresearch_kit.execution import handover
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.runner import compile_cache
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.machine import cgroups
from autoresearch_kit.records import Clock, RunSetup, SandboxLevel

KERNEL_NAME = "python3"

LAUNCHER = "autoresearch_kit.execution.runner.bare_kernel"
WARM_LAUNCHER = "autoresearch_kit.training.warm_kernel"  # imports torch while it waits

SEEN_OF_DATASET = ("dataset.json", "tokenizer", "token_bytes.npy", "train", "task.json", "data")
"""Parts of a data set, or of a task, that a notebook may see: nothing that scores are made of."""


class _OneSpec(KernelSpecManager):
    """Knows one kernel, whatever is installed on this machine."""

    spec: KernelSpec

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002
        return self.spec


def start(setup: RunSetup, output: int) -> AsyncKernelManager:
    """Start the run's kernel, whose process prints to the descriptor `output`."""
    sockets = reap.socket_folder(setup.run_id)
    sockets.mkdir(mode=0o700)
    argv = kernel_argv(WARM_LAUNCHER if setup.waits else LAUNCHER)
    return launch(
        _in_cgroup(setup, command(setup, argv, sockets)),
        sockets=sockets,
        cwd=setup.folder / handover.WORK_FOLDER,
        output=output,
    )


def kernel_argv(launcher: str) -> list[str]:
    """Return the command line of a kernel, started by a module of this package."""
    return [sys.executable, "-P", "-m", launcher, "-f", "{connection_file}"]


def launch(
    argv: list[str], *, sockets: Path, cwd: Path, output: int, keep: Sequence[int] = ()
) -> AsyncKernelManager:
    """Start a kernel by the command line `argv`, which may enter a sandbox first.

    It is reached over sockets in the folder `sockets`, prints to the descriptor `output`, and
    inherits the descriptors `keep`.
    """
    specs = _OneSpec()
    specs.spec = KernelSpec(argv=argv, display_name="Python 3", language="python")
    kernel = AsyncKernelManager(
        kernel_name=KERNEL_NAME,
        kernel_spec_manager=specs,
        transport="ipc",  # its network namespace leaves no TCP
        ip=str(sockets / "k"),
        connection_file=str(sockets / "kernel.json"),
    )
    # the other end stays open as long as this process lives: see `starter.end_with_starter`
    starter_pipe, _ = os.pipe()
    run_sync(kernel.start_kernel)(
        extra_arguments=["--HistoryManager.hist_file=:memory:"],
        cwd=str(cwd),
        stdin=starter_pipe,
        stdout=output,
        stderr=output,
        pass_fds=keep,
    )
    os.close(starter_pipe)
    return kernel


def _in_cgroup(setup: RunSetup, argv: list[str]) -> list[str]:
    """Return the command in a cgroup of its own, to count its CPU time, if one can be made."""
    cgroup = reap.run_cgroup(setup.run_id) if setup.clock is Clock.CPU else None
    if cgroup is None or not cgroups.make(cgroup):
        return argv
    # the shell enters it before it becomes the sandbox, so that nothing starts outside of it
    return ["sh", "-c", 'echo 0 2>/dev/null >"$0"; exec "$@"', str(cgroup / "cgroup.procs"), *argv]


def command(setup: RunSetup, argv: list[str], sockets: Path) -> list[str]:
    """Return the command line of a process that sees what a notebook sees."""
    shown = [setup.dataset / name for name in SEEN_OF_DATASET]
    return bubblewrap.command(
        setup.sandbox,
        argv,
        read_only=[
            setup.kit / "autoresearch_kit",
            setup.folder / handover.FROM_RUNNER_FOLDER,
            *(path for path in shown if path.exists()),
        ],
        writable=[setup.folder / handover.WORK_FOLDER, sockets],
        visible=setup.visible,
        gpu=setup.gpu,
        env=_environment(setup),
    )


def _environment(setup: RunSetup) -> dict[str, str]:
    work, from_runner = (
        setup.folder / handover.WORK_FOLDER,
        setup.folder / handover.FROM_RUNNER_FOLDER,
    )
    home = work / handover.HOME_FOLDER
    sandboxed = setup.sandbox is SandboxLevel.BUBBLEWRAP
    more = {
        handover.WORK: str(work),
        handover.COMPILE_SECONDS: str(from_runner / handover.COMPILE_SECONDS_FILE),
        handover.DATASET: str(setup.dataset),
        handover.DEVICE: setup.device,
        "JPY_PARENT_PID": "1" if sandboxed else str(os.getpid()),
        "TMPDIR": "/tmp" if sandboxed else str(home),
    }
    if setup.clock is Clock.CPU:
        more |= {
            handover.CLOCK: str(from_runner / handover.CLOCK_FILE),
            **bubblewrap.SLEEPING_THREADS,
        }
    if setup.profiled:
        more[handover.PROFILE] = "1"
    return bubblewrap.environment(
        home=home,
        kit=setup.kit,
        run_id=setup.run_id,
        gpu=setup.gpu,
        more=more | compile_cache.variables(work),
    )
