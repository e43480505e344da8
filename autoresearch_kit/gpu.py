"""How busy the GPU is, as nvidia-smi says; no process of ours loads CUDA for that."""

import shutil
import subprocess

_QUERY = ["--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits"]


def gpu_use() -> str:
    """Percent busy and memory of each GPU, for people; empty where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    done = subprocess.run([program, *_QUERY], capture_output=True, text=True, timeout=10)
    if done.returncode != 0:
        return ""
    return ", ".join(_words(line.split(",")) for line in done.stdout.splitlines())


def _words(fields: list[str]) -> str:
    busy, used, total = (field.strip() for field in fields)
    return f"GPU {busy}% busy, {used} of {total} MiB"
