"""The real bindings, against a driver's library that was built here and says what one would."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.machine import gpu

LIBRARY = r"""
#include <string.h>
typedef unsigned int u;
typedef struct { u pid; unsigned long long at; u sm, mem, enc, dec; } Sample;
int nvmlInitWithFlags(u flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(u *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(u index, void **gpu) {
    *gpu = (void *)"GPU-7";
    return index == 0 ? 0 : 15; /* the second is lost */
}
int nvmlDeviceGetUUID(void *gpu, char *out, u n) { strncpy(out, gpu, n); return 0; }
int nvmlDeviceGetName(void *gpu, char *out, u n) { strncpy(out, "Tesla T4", n); return 0; }
int nvmlDeviceGetClockInfo(void *gpu, u kind, u *mhz) { *mhz = kind == 1 ? 585 : 5001; return 0; }
int nvmlDeviceGetMaxClockInfo(void *gpu, u kind, u *mhz) { *mhz = 1590; return 0; }
int nvmlDeviceGetTemperature(void *gpu, u sensor, u *c) { *c = 93; return 0; }
int nvmlDeviceGetUtilizationRates(void *gpu, u *rates) { rates[0] = 97; rates[1] = 4; return 0; }
int nvmlDeviceGetMemoryInfo(void *gpu, unsigned long long *bytes) {
    bytes[0] = 15360ULL << 20; bytes[1] = 4096ULL << 20; bytes[2] = 11264ULL << 20;
    return 0;
}
#ifndef OLD
typedef struct { u pid; unsigned long long held; u instance, compute; } Process;
int nvmlDeviceGetComputeRunningProcesses_v3(void *gpu, u *count, Process *out) {
    if (!out) { *count = 2; return 7; }
    out[0] = (Process){4711, 10240ULL << 20, 0, 0};
    out[1] = (Process){4712, ~0ULL, 0, 0}; /* it does not say how much */
    *count = 2;
    return 0;
}
int nvmlDeviceGetCurrentClocksEventReasons(void *gpu, unsigned long long *reasons) {
    *reasons = REASONS;
    return 0;
}
int nvmlDeviceGetProcessUtilization(void *gpu, Sample *out, u *count, unsigned long long since) {
    if (!out) { *count = 1; return 7; } /* the buffer is too small */
    out[0] = (Sample){4711, since + 1, 88, 1, 0, 0};
    *count = 1;
    return 0;
}
#endif
"""

POWER_CAP = 0x04
TOO_HOT = 0x24

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the library's name is Linux's")


def told(folder: Path, question: str, *options: str, visible: str | None = None) -> str:
    """What `question` says where such a driver is installed."""
    library = folder / "libnvidia-ml.so.1"
    build = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), *options]
    subprocess.run(build, input=LIBRARY, text=True, check=True)
    command = [sys.executable, "-c", f"from autoresearch_kit.machine import gpu; print({question})"]
    env = {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(Path(gpu.__file__).parents[2])}
    if visible is not None:
        env["CUDA_VISIBLE_DEVICES"] = visible
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@needs_compiler
@linux_only
def test_a_gpu_says_how_busy_it_is(tmp_path: Path) -> None:
    said = told(tmp_path, "gpu.gpu_use()", f"-DREASONS={POWER_CAP}")
    assert said == "GPU 97% busy, 11,811 of 16,106 MB"


@needs_compiler
@linux_only
@pytest.mark.parametrize(
    ("option", "processes"),
    [(f"-DREASONS={POWER_CAP}", {4711: 10240 << 20, 4712: None}), ("-DOLD", {})],
    ids=["by process", "an older driver"],
)
def test_a_gpus_memory(option: str, processes: dict[int, int | None], tmp_path: Path) -> None:
    expected = gpu.GpuMemory("GPU-7", 11264 << 20, 15360 << 20, processes)
    assert told(tmp_path, "gpu.memory()", option) == str((expected,))


@needs_compiler
@linux_only
@pytest.mark.parametrize(
    ("visible", "seen"),
    [("GPU-7", 1), ("GPU-8,GPU-7", 1), ("GPU-8", 0), ("-1", 0), ("", 0), ("0", 1), ("MIG-1", 1)],
)
def test_memory_is_that_of_the_runs_own_gpu(visible: str, seen: int, tmp_path: Path) -> None:
    said = told(tmp_path, "len(gpu.memory())", "-DOLD", visible=visible)
    assert said == str(seen)


@needs_compiler
@linux_only
@pytest.mark.parametrize(("reasons", "slowed"), [(POWER_CAP, False), (TOO_HOT, True)])
def test_a_look_at_a_gpu(reasons: int, slowed: bool, tmp_path: Path) -> None:
    said = told(tmp_path, "gpu.look()", f"-DREASONS={reasons}")
    expected = gpu.GpuLook("GPU-7", "Tesla T4", 585, 1590, 93, slowed, {4711: 88})
    assert said == str((expected,))


@needs_compiler
@linux_only
def test_what_an_older_driver_does_not_say_is_missing(tmp_path: Path) -> None:
    said = told(tmp_path, "gpu.look()", "-DOLD")
    assert said == str((gpu.GpuLook("GPU-7", "Tesla T4", 585, 1590, 93, False, {}),))


@pytest.mark.skipif(gpu.reachable(), reason="there is an NVIDIA driver here")
def test_without_a_driver_there_are_no_gpus() -> None:
    assert gpu.look() == ()
    assert gpu.memory() == ()
    assert gpu.gpu_use() == ""
