"""The wall around unreviewed code: bubblewrap where it works, else a clean environment only.

Under bubblewrap a process has its own PID, network, mount, IPC and UTS namespaces and no
capabilities. It sees what `system` lists of this machine (this Python, libraries, compilers) and
what the caller names; of that it can write only what the caller names as writable. Everything else
is not there: home, repositories, other campaigns, other programs, other GPUs.
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
from autoresearch_kit.records import Accelerator, SandboxLevel, Sight

NOTHING_MORE = Sight()

SCRATCH_BYTES = 256_000_000
"""Size of the sandbox's own /tmp and /dev/shm each: they are memory that no process shows."""

READ_ONLY_MOUNTS = ("/", "/dev")
"""The sandbox's own mounts that nothing may be written into."""

PROC = Path("/proc")

WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH

PROC_SECRETS = frozenset({
    "acpi", "asound", "config.gz", "interrupts", "iomem", "ioports", "kallsyms", "kcore",
    "key-users", "keys", "kmsg", "kpagecgroup", "kpagecount", "kpageflags", "latency_stats",
    "pagetypeinfo", "sched_debug", "scsi", "slabinfo", "timer_list", "timer_stats",
    "vmallocinfo", "vmcore",
})  # fmt: skip
"""What of /proc tells of the kernel's memory, of keys, or of what others do. The first list is
that of container runtimes: https://github.com/moby/moby/blob/master/daemon/pkg/oci/defaults.go.
Not `modules`: CUDA looks there whether NVIDIA's are loaded."""

PASSED_ON = (
    "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "LANG", "LC_ALL", "LD_LIBRARY_PATH",
    "ROCR_VISIBLE_DEVICES", "TZ",
)  # fmt: skip
"""The caller's environment variables that unreviewed code may see: devices, libraries, language."""


NO_GPU = "-1"
"""CUDA_VISIBLE_DEVICES where no GPU is to be used: an index that none has."""

SLEEPING_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
"""For processes that take turns, as judge and predictor do, and for those whose CPU time counts: by
default OpenMP's threads (GNU's and LLVM's) spin while they wait, for each other and for their next
loop. On two busy cores that made scoring take twice the CPU time and five times as long."""


def level() -> SandboxLevel:
    """What this machine offers. Asks once per process, by really running Python in bubblewrap."""
    return SandboxLevel.NONE if why_not() else SandboxLevel.BUBBLEWRAP


@functools.cache
def why_not() -> str:
    """Why bubblewrap can't be used here, in one line for people; empty if it can."""
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
    """What to do about bubblewrap where it can't be used, in words for people."""
    if sys.platform != "linux":
        return "bubblewrap is for Linux: run there, or in a virtual machine that is one"
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
    """The whole environment of a sandboxed process: nothing secret can be in it.

    `home` is its HOME and temporary folder, `kit` the folder that holds the package's copy. Of all
    GPUs it sees `gpu` only.
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
    sight: Sight = NOTHING_MORE,
    gpu: Accelerator | None = None,
    env: Mapping[str, str],
) -> list[str]:
    """Return the command line that runs `argv` in a sandbox, with `env` as its whole environment.

    `read_only` and `writable` are absolute paths that it sees in the same places, `sight` what it
    sees of the machine beside what `system` lists. `gpu` is the GPU whose device nodes it sees.
    Start it with a `cwd` that it sees.
    """
    if sandbox is SandboxLevel.NONE:
        return ["env", "-i", *(f"{name}={value}" for name, value in env.items()), *argv]
    seen = system.view(frozenset(sight.imports))
    options = [*_namespaces(), *_kernel_s_own(), *seen.options(), *_devices(gpu)]
    options += [*_mounts("--ro-bind", read_only), *_mounts("--bind", writable)]
    options += _masks(sight.hidden, seen, [*read_only, *writable])
    for mount in READ_ONLY_MOUNTS:
        options += ["--remount-ro", mount]
    options += ["--clearenv"]
    for name, value in env.items():
        options += ["--setenv", name, value]
    return ["bwrap", *options, "--", *argv]


def _namespaces() -> list[str]:
    own = ("user-try", "pid", "net", "ipc", "uts", "cgroup-try")
    unshared = [f"--unshare-{name}" for name in own]
    return [*unshared, "--cap-drop", "ALL", "--die-with-parent", "--new-session"]


def _kernel_s_own() -> Iterator[str]:
    """Options that mount what no disk holds: /proc, /dev, scratch."""
    yield from ("--proc", str(PROC))
    yield from _proc_protected()
    yield from ("--dev", "/dev")
    yield from ("--size", str(SCRATCH_BYTES), "--tmpfs", "/dev/shm")
    yield from ("--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp")


def _proc_protected() -> Iterator[str]:
    """Options that cover secrets in /proc, and mount read-only what is not of one process.

    Root writes /proc/sys, and much beside, without any capability. What belongs to a process stays
    writable as far as the kernel allows: CUDA does not start where /proc as a whole is read-only.
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
    """Options that show a GPU; without nodes that are gone: the process says what it misses."""
    for node in gpu.nodes if gpu else ():
        yield from ("--dev-bind-try", node, node)
    for path in (Path("/sys"), *system.rocm()) if gpu else (Path("/sys/devices/system"),):
        yield from ("--ro-bind-try", str(path), str(path))


def _mounts(option: str, paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        yield from (option, str(path), str(path))


def _masks(hidden: Iterable[Path], seen: View, shown: Sequence[Path]) -> Iterator[str]:
    """Each hidden file that would be seen, and its byte code, replaced by nothing importable."""
    roots = [path.resolve() for path in shown]
    for path in (path.resolve() for path in hidden):
        if seen.sees(path) or any(path.is_relative_to(root) for root in roots):
            compiled = (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")
            for file in (path, *compiled):
                yield from ("--ro-bind-try", "/dev/null", str(file))
