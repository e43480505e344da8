"""What this machine is: probed in a process of its own, since that loads torch.

`python -m autoresearch_kit.machine` prints the `Machine` as JSON.
"""

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch_kit import cgroups, codec
from autoresearch_kit.bounded import MEGABYTE
from autoresearch_kit.errors import KitError
from autoresearch_kit.execution import sandbox
from autoresearch_kit.records import Accelerator, Machine

if TYPE_CHECKING:
    import torch


def accelerator() -> Accelerator | None:
    """What torch can use beside the CPU: probed where there may be a GPU, else known at once.

    Raises:
        KitError: as `probe` does.
    """
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return probe().gpu if apple or sandbox.gpu_nodes() else None


def probe() -> Machine:
    """Probe this machine in a subprocess; takes as long as importing torch.

    Raises:
        KitError: torch can't be imported; the message is the last line it said.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", "autoresearch_kit.machine"], capture_output=True, text=True
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise KitError(f"torch does not work here: {said[-1]}; install it again: pip install torch")
    return codec.decode(Machine, done.stdout)


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu(device: "torch.device") -> Accelerator | None:
    import torch

    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        return Accelerator("cuda", torch.cuda.get_device_capability(device), memory / MEGABYTE)
    if device.type == "mps":
        return Accelerator("mps", (0, 0), torch.mps.recommended_max_memory() / MEGABYTE)
    return None


def _probe_here() -> Machine:
    import torch

    from autoresearch_kit import precision

    device = precision.device()
    cores = cgroups.cores()
    on_cuda = device.type == "cuda"
    triton = on_cuda and torch.cuda.get_device_capability(device) >= precision.VOLTA
    name = torch.cuda.get_device_name(device) if on_cuda else f"{_cpu_name()} x {cores}"
    return Machine(
        device=name,
        accelerator=device.type != "cpu",
        precision=precision.name_of(precision.computes_in(device)),
        compiles=triton or (device.type == "cpu" and shutil.which("c++") is not None),
        cores=cores,
        memory_mb=round(cgroups.memory_mb()),
        torch=importlib.metadata.version("torch"),
        python=platform.python_version(),
        system=platform.platform(terse=True),
        gpu=_gpu(device),
    )


if __name__ == "__main__":
    sys.stdout.write(codec.encode(_probe_here()).decode())
