"""Probe what this machine is, in a process of its own, since that loads torch.

`python -m autoresearch_kit.execution.machine_probe` prints a `Machine` for each of its GPUs as
JSON, or one for its CPU; with `compile`, it tries torch.compile too.
"""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch_kit.errors import KitError
from autoresearch_kit.execution.processes.starter import end_with_starter, starter_pipe
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.machine import cgroups, cores, gpu, gpu_nodes
from autoresearch_kit.records import Accelerator, Machine, SandboxLevel, codec
from autoresearch_kit.records.text import one_line

if TYPE_CHECKING:
    import torch

MODULE = "autoresearch_kit.execution.machine_probe"

TRY_COMPILE = "compile"

REFUSED = 3  # exit status of a probe that printed in one line why the kit can't go on
WARNING_LENGTH = 300  # characters of torch's message about a GPU, or a compiler, that does not work


def accelerator() -> Accelerator | None:
    """Return the GPU that torch can use, if any; probed only where there may be one.

    Raises:
        KitError: as `probe` does.
    """
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return probe().gpu if apple or gpu_nodes.may_have_gpu() else None


def probe() -> Machine:
    """Probe this machine with its first GPU, if it has any; takes as long as importing torch.

    Raises:
        KitError: as `probe_all` does.
    """
    return probe_all()[0]


def probe_all() -> tuple[Machine, ...]:
    """Probe this machine with each of its GPUs; with its CPU, if torch can use no GPU.

    Of a partitioned GPU's parts (MIG), CUDA shows a process only one: each has its own probe.

    Raises:
        KitError: torch can't be imported, or it is unknown by which nodes a GPU is reached.
    """
    probed = _probe({})
    known = {machine.gpu.uuid for machine in probed if machine.gpu}
    parts = [uuid for uuid in gpu.visible_parts() if uuid not in known] if known else []
    more = [machine for uuid in parts for machine in _probe({gpu.VISIBLE: uuid})]
    return (*probed, *(machine for machine in more if machine.gpu))


def probe_cpu(processors: Sequence[int]) -> Machine:
    """Probe what a run that is pinned to these logical processors, without a GPU, has.

    Raises:
        KitError: torch can't be imported.
    """
    with cores.pinned(processors):
        return _probe({gpu.VISIBLE: bubblewrap.NO_GPU})[0]


def probe_inside(
    gpu: Accelerator | None, level: SandboxLevel, *, try_compile: bool = False
) -> Machine:
    """Probe what a run on this GPU, or on the CPU, sees: in the sandbox, with its environment.

    With `try_compile`, a small function is compiled there, which takes some 20 CPU seconds.

    Raises:
        KitError: as `probe_all` does, or a run would see another GPU as well.
    """
    kit = Path(__file__).parents[2]
    argv = [sys.executable, "-P", "-m", MODULE, *([TRY_COMPILE] if try_compile else [])]
    with tempfile.TemporaryDirectory(prefix="autoresearch-probe-") as name:
        home = Path(name)
        seen = _run(
            bubblewrap.command(
                level,
                argv,
                read_only=[kit / "autoresearch_kit"],
                writable=[home],
                gpu=gpu,
                env=bubblewrap.environment(home=home, kit=kit, run_id=home.name, gpu=gpu),
            ),
            cwd="/",
        )
    if len(seen) > 1 and gpu and gpu.uuid:
        raise KitError(
            f"a run on the GPU {gpu.uuid} would see {len(seen)} GPUs; leave it the only one: "
            f"CUDA_VISIBLE_DEVICES={gpu.uuid} autoresearch ..."
        )
    return seen[0]


def check_inside(machine: Machine, level: SandboxLevel) -> None:
    """Check that runs compute on the machine's GPU, if it has one, and see no other.

    Raises:
        KitError: it is not so; the message says what they see, and what to do.
    """
    if machine.gpu and (gap := difference(machine, probe_inside(machine.gpu, level))):
        raise KitError(gap)


def difference(outside: Machine, inside: Machine) -> str:
    """Return in one line how the device of runs differs from the machine's; empty if it doesn't."""
    # a CPU's name has its cores, of which a sandbox may hide some
    compared = [
        (each.gpu.backend, each.device, each.precision) if each.gpu else each.precision
        for each in (outside, inside)
    ]
    uuids = {each.gpu.uuid for each in (outside, inside) if each.gpu and each.gpu.uuid}
    if compared[0] == compared[1] and len(uuids) <= 1:
        return ""
    gpu, why = outside.gpu, f" ({inside.no_gpu})" if inside.no_gpu else ""
    if gpu and gpu.nodes:
        way_out = f"check that you may read and write {', '.join(gpu.nodes)}, and update bubblewrap"
    else:
        names = ", ".join(bubblewrap.PASSED_ON)
        way_out = f"runs get no device nodes of it, and of the environment only {names}"
    there, here = (
        f"{each.kind} {each.device}{f' ({each.gpu.uuid})' if each.gpu and len(uuids) > 1 else ''}"
        for each in (outside, inside)
    )
    return (
        f"outside of the sandbox torch uses the {there}, but runs see only the {here}{why}; "
        f"{way_out}"
    )


def unused_gpu(machine: Machine) -> str:
    """Return in one line that a GPU's driver is here, but torch uses none; empty if not so."""
    if machine.gpu or not gpu_nodes.may_have_gpu():
        return ""
    why = f" ({machine.no_gpu})" if machine.no_gpu else ""
    return f"a GPU's driver is here, but torch uses none{why}"


def _probe(environment: Mapping[str, str]) -> tuple[Machine, ...]:
    return _run([sys.executable, "-P", "-m", MODULE], env=os.environ | environment)


def _run(
    command: Sequence[str], cwd: str | None = None, env: Mapping[str, str] | None = None
) -> tuple[Machine, ...]:
    with starter_pipe() as pipe:
        done = subprocess.run(command, cwd=cwd, env=env, stdin=pipe, capture_output=True, text=True)
    if done.returncode == 0:
        return codec.decode(tuple[Machine, ...], done.stdout)
    said = (done.stderr.strip().splitlines() or ["no message"])[-1]
    if done.returncode == REFUSED:
        raise KitError(said)
    raise KitError(f"torch does not work here: {said}; install it again: pip install torch")


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def gpu_of(device: "torch.device") -> Accelerator | None:
    """Return the GPU that this device of torch's is; None for the CPU.

    Raises:
        KitError: there are several, and it is unknown which of them it is.
    """
    import torch

    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory / MEGABYTE
        capability = torch.cuda.get_device_capability(device)
        cuda = torch.version.cuda is not None
        reach = gpu_nodes.reach_cuda(device.index or 0) if cuda else gpu_nodes.reach_others()
        return Accelerator("cuda", capability, memory, reach.uuid, reach.nodes)
    if device.type == "mps":
        return Accelerator("mps", (0, 0), torch.mps.recommended_max_memory() / MEGABYTE)
    return None


def _try_compile(device: "torch.device") -> str:
    """Return why a small function can't be compiled; empty if it can."""
    import torch

    try:
        torch.compile(lambda x: x.sin() + 1)(torch.ones(8, device=device))
    except Exception as error:  # noqa: BLE001 - a compiler can fail in any way
        return one_line(f"{type(error).__name__}: {error}", WARNING_LENGTH)
    return ""


def _probe_here(*, try_compile: bool) -> list[Machine]:
    import torch

    from autoresearch_kit.machine import precision

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        device = precision.device()
    no_gpu = one_line("; ".join(str(warning.message) for warning in caught), WARNING_LENGTH)
    # ROCm's GPUs have no names and nodes of their own here: all runs share the first
    several = device.type == "cuda" and torch.version.cuda is not None
    count = torch.cuda.device_count() if several else 1
    more = [torch.device(device.type, at) for at in range(1, count)]
    machines = [_machine(each, no_gpu, try_compile=try_compile) for each in (device, *more)]
    named = all(each.gpu and each.gpu.uuid for each in machines)
    return machines if named else machines[:1]  # without a name, a run can't be shown only one


def _machine(device: "torch.device", no_gpu: str, *, try_compile: bool) -> Machine:
    import torch

    from autoresearch_kit.machine import precision

    threads = cgroups.cores()
    on_cuda = device.type == "cuda"
    triton = on_cuda and torch.cuda.get_device_capability(device) >= precision.VOLTA
    name = torch.cuda.get_device_name(device) if on_cuda else f"{_cpu_name()} x {threads}"
    compiles = triton or (device.type == "cpu" and shutil.which("c++") is not None)
    failed = _try_compile(device) if try_compile and compiles else ""
    return Machine(
        device=name,
        accelerator=device.type != "cpu",
        precision=precision.name_of(precision.computes_in(device)),
        compiles=compiles and not failed,
        cores=threads,
        memory_mb=round(cgroups.memory_mb()),
        torch=importlib.metadata.version("torch"),
        python=platform.python_version(),
        system=platform.platform(terse=True),
        gpu=gpu_of(device),
        no_gpu=no_gpu,
        no_compile=failed,
    )


def main() -> int:
    """Print the machine as this process sees it; return the exit status."""
    try:
        machines = _probe_here(try_compile=TRY_COMPILE in sys.argv[1:])
    except KitError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    sys.stdout.write(codec.encode(machines).decode())
    return 0


if __name__ == "__main__":
    end_with_starter()
    sys.exit(main())
