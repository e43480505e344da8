"""What this machine is: probed in a process of its own, since that loads torch.

`python -m autoresearch_kit.machine` prints the `Machine` as JSON.
"""

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from autoresearch_kit import codec
from autoresearch_kit.errors import KitError
from autoresearch_kit.records import Machine


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


def _probe_here() -> Machine:
    import torch

    from autoresearch_kit import precision

    device = precision.device()
    cores = psutil.cpu_count(logical=False) or 1
    on_cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_cuda else f"{_cpu_name()} x {cores}"
    return Machine(
        device=name,
        accelerator=device.type != "cpu",
        precision="bfloat16" if precision.computes_bfloat16(device) else "float32",
        compiles=shutil.which("c++") is not None or on_cuda,
        cores=cores,
        memory_mb=round(psutil.virtual_memory().total / 1e6),
        torch=importlib.metadata.version("torch"),
        python=platform.python_version(),
        system=platform.platform(terse=True),
    )


if __name__ == "__main__":
    sys.stdout.write(codec.encode(_probe_here()).decode())
