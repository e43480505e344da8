"""The sandbox for unreviewed code: bubblewrap where it works, else only a clean environment.

Under bubblewrap a process has its own PID, network, mount, IPC and UTS namespaces and no
capabilities. It sees what `system` lists (this Python, libraries, compilers) and what its caller
names, and can write only to what the caller names as writable. Nothing else exists for it: no home,
no repositories, no other campaigns, programs or GPUs.
"""

import functools
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from autoresearch_kit.execution.sandbox import system
from autoresearch_kit.execution.sandbox.view import View
from autoresearch_kit.machine import cgroups
from autoresearch_kit.records import Accelerator, SandboxLevel, VisibleFiles

NOTHING_MORE = VisibleFiles()

SCRATCH_BYTES = 256_000_000
"""Size of the sandbox's own /tmp and of its /dev/shm. No process's memory shows what they use."""

NAMESPACES = (
    "--unshare-user-try", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
    "--unshare-cgroup-try", "--cap-drop", "ALL", "--die-with-parent", "--new-session",
)  # fmt: skip

SCRATCH = (
    "--dev", "/dev", "--size", str(SCRATCH_BYTES), "--tmpfs", "/dev/shm", "--size",
    str(SCRATCH_BYTES), "--tmpfs", "/tmp",
)  # fmt: skip
"""Mounts that are on no disk."""

PROC = Path("/proc")

WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH

PROC_SECRETS = frozenset({
    "acpi", "asound", "config.gz", "interrupts", "iomem", "ioports", "kallsyms", "kcore",
    "key-users", "keys", "kmsg", "kpagecgroup", "kpagecount", "kpageflags", "latency_stats",
    "pagetypeinfo", "sched_debug", "scsi", "slabinfo", "timer_list", "timer_stats",
    "vmallocinfo", "vmcore",
})  # fmt: skip
"""Files in /proc about the kernel's memory, keys, or what others do: those that container runtimes
mask (https://github.com/moby/moby/blob/master/daemon/pkg/oci/defaults.go), and more. `modules` is
not one of them: CUDA looks there for NVIDIA's."""

PASSED_ON = (
    "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "LANG", "LC_ALL", "LD_LIBRARY_PATH",
    "ROCR_VISIBLE_DEVICES", "TZ",
)  # fmt: skip
"""The caller's environment variables that unreviewed code may see: devices, libraries, language."""

NO_GPU = "-1"  # CUDA_VISIBLE_DEVICES where no GPU is to be used: an index that no GPU has

SLEEPING_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
"""Environment of processes that take turns, as judge and predictor do, and of those whose CPU time
counts: by default threads of OpenMP (GNU's and LLVM's) spin while they wait for each other and for
the next loop. On two busy cores, scoring took twice the CPU time and five times as long."""


def level() -> SandboxLevel:
    """Return the sandbox of this machine; tried once per process, by running Python in it."""
    return SandboxLevel.NONE if why_not() else SandboxLevel.BUBBLEWRAP


@functools.cache
def why_not() -> str:
    """Return in one line why bubblewrap can't be used here; empty if it can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap (the command bwrap) is not installed"
    probe = command(SandboxLevel.BUBBLEWRAP, [sys.executable, "-c", "pass"], env={})
    result = subprocess.run(
        probe, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/"
    )
    if result.returncode == 0:
        return ""
    lines = result.stderr.strip().splitlines() or [f"it ended with status {result.returncode}"]
    return f"bubblewrap does not work here: {lines[-1]}"


def way_out() -> str:
    """Return what a person can do to make bubblewrap work here."""
    if sys.platform != "linux":
        return "bubblewrap is for Linux: run there, or in a virtual machine with Linux"
    if shutil.which("bwrap") is None:
        return "install it: apt install bubblewrap"
    return (
        "let it make user namespaces: on Ubuntu, "
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0; in a container, start that "
        "with --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
    )


def environment(
    *,
    home: Path,
    kit: Path,
    run_id: str,
    gpu: Accelerator | None = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the whole environment of a sandboxed process, which contains no secret.

    `home` is its HOME and temporary folder, `kit` the folder that contains the package's copy, and
    `gpu` the only GPU that CUDA shows it.
    """
    binaries = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    fixed = {
        "AUTORESEARCH_RUN_ID": run_id,
        "HOME": str(home),
        "PATH": os.pathsep.join(binaries),
        "PYTHONPATH": str(kit),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(home),
        "OMP_NUM_THREADS": str(cgroups.cores()),
        "USER": "researcher",
    }
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if gpu is None or gpu.uuid:
        fixed["CUDA_VISIBLE_DEVICES"] = gpu.uuid if gpu else NO_GPU
    return passed | fixed | dict(more or {})


def command(
    sandbox: SandboxLevel,
    argv: Sequence[str],
    *,
    read_only: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    visible: VisibleFiles = NOTHING_MORE,
    gpu: Accelerator | None = None,
    env: Mapping[str, str],
) -> list[str]:
    """Return the command line that runs `argv` in a sandbox, with `env` as its whole environment.

    `read_only` and `writable` are absolute paths that it sees under the same names, `visible` are
    files that it sees in addition to what `system` lists, and `gpu` the GPU whose device nodes it
    sees. Start it in a `cwd` that it sees.
    """
    if sandbox is SandboxLevel.NONE:
        return ["env", "-i", *(f"{name}={value}" for name, value in env.items()), *argv]
    view = system.view(frozenset(visible.imports))
    options = [*NAMESPACES, "--proc", str(PROC), *_proc_protected(), *SCRATCH]
    options += [*view.options(), *_devices(gpu)]
    seen = [*visible.shown, *read_only]
    options += [*_mounts("--ro-bind", seen), *_mounts("--bind", writable)]
    options += _masks(visible.hidden, view, [*seen, *writable])
    # last, since bubblewrap makes mount points in them before
    options += ["--remount-ro", "/", "--remount-ro", "/dev", "--clearenv"]
    for name, value in env.items():
        options += ["--setenv", name, value]
    return ["bwrap", *options, "--", *argv]


def _proc_protected() -> Iterator[str]:
    """Yield options that cover secrets in /proc, and make all but processes' own files read-only.

    Root can write to /proc/sys, and more, without any capability. Processes' own files stay
    writable as far as the kernel allows it: CUDA does not start where all of /proc is read-only.
    """
    for entry in sorted(os.scandir(PROC), key=lambda entry: entry.name):
        if entry.name.isdigit() or entry.is_symlink():
            continue
        folder = entry.is_dir(follow_symlinks=False)
        if entry.name in PROC_SECRETS:
            if folder:
                yield from ("--tmpfs", entry.path, "--remount-ro", entry.path)
            else:
                yield from ("--ro-bind-try", "/dev/null", entry.path)
        elif folder or entry.stat(follow_symlinks=False).st_mode & WRITE_BITS:
            yield from ("--ro-bind-try", entry.path, entry.path)


def _devices(gpu: Accelerator | None) -> Iterator[str]:
    """Yield options that show a GPU. A node that is gone is left out: the process will name it."""
    for node in gpu.nodes if gpu else ():
        yield from ("--dev-bind-try", node, node)
    for path in (Path("/sys"), *system.ROCM) if gpu else (Path("/sys/devices/system"),):
        yield from ("--ro-bind-try", str(path), str(path))


def _mounts(option: str, paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        yield from (option, str(path), str(path))


def _masks(hidden: Iterable[Path], view: View, shown: Sequence[Path]) -> Iterator[str]:
    """Yield options that cover what is hidden, and its byte code, that would be seen otherwise."""
    roots = [path.resolve() for path in shown]
    for path in (path.resolve() for path in hidden):
        if not (view.sees(path) or any(path.is_relative_to(root) for root in roots)):
            continue
        if path.is_dir():
            yield from ("--tmpfs", str(path), "--remount-ro", str(path))
        else:
            compiled = (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")
            for file in (path, *compiled):
                yield from ("--ro-bind-try", "/dev/null", str(file))
