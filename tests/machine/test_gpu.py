"""Test the real bindings with a driver's library that is built here."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.machine import gpu

LIBRARY = r"""
#include <stdlib.h>
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
int nvmlDeviceGetHandleByUUID(const char *name, void **gpu) {
    *gpu = (void *)"GPU-8";
    return strcmp(name, "GPU-8") ? 6 : 0;
}
int nvmlDeviceGetMaxMigDeviceCount(void *gpu, u *count) { *count = 3; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *gpu, u index, void **part) {
    *part = (void *)(index ? "MIG-2" : "MIG-1");
    return index < 2 ? 0 : 6;
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
    *reasons = strtoull(getenv("REASONS"), 0, 10);
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

needs_driver = pytest.mark.skipif(
    shutil.which("cc") is None or sys.platform != "linux", reason="no C compiler for Linux"
)


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Return the folders of a new driver and of an old one."""
    folders = {}
    for old in (False, True):
        folders[old] = tmp_path_factory.mktemp("driver")
        library = folders[old] / "libnvidia-ml.so.1"
        build = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
        subprocess.run([*build, *["-DOLD"] * old], input=LIBRARY, text=True, check=True)
    return folders


def answer(folder: Path, question: str, *, reasons: int = POWER_CAP, **env: str) -> str:
    """Ask in a process for which the driver in this folder is installed."""
    command = [sys.executable, "-c", f"from autoresearch_kit.machine import gpu; print({question})"]
    kit = str(Path(gpu.__file__).parents[2])
    env |= {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": kit, "REASONS": str(reasons)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@needs_driver
@pytest.mark.parametrize(
    ("old", "processes", "computing"),
    [(False, {4711: 10240 << 20, 4712: None}, {4711: 88}), (True, {}, {})],
    ids=["a new driver", "an older driver"],
)
def test_an_answer_that_a_driver_does_not_know_is_missing(
    old: bool,
    processes: dict[int, int | None],
    computing: dict[int, int],
    drivers: dict[bool, Path],
) -> None:
    memory = gpu.GpuMemory("GPU-7", 11264 << 20, 15360 << 20, processes)
    look = gpu.GpuLook("GPU-7", "Tesla T4", 585, 1590, 93, False, computing)
    use = "GPU 97% busy, 11,811 of 16,106 MB"
    said = answer(drivers[old], "[gpu.memory(), gpu.look(), gpu.gpu_use()]")
    assert said == str([(memory,), (look,), use])


@needs_driver
def test_a_gpu_that_is_too_hot_is_slowed(drivers: dict[bool, Path]) -> None:
    assert answer(drivers[False], "gpu.look()[0].slowed", reasons=TOO_HOT) == "True"


@needs_driver
@pytest.mark.parametrize(
    ("visible", "seen"),
    [("GPU-7", 1), ("GPU-8,GPU-7", 1), ("GPU-8", 0), ("-1", 0), ("", 0), ("0", 1), ("MIG-1", 1)],
)
def test_memory_is_that_of_the_runs_own_gpu(
    visible: str, seen: int, drivers: dict[bool, Path]
) -> None:
    said = answer(drivers[True], "len(gpu.memory())", CUDA_VISIBLE_DEVICES=visible)
    assert said == str(seen)


@pytest.mark.skipif(gpu.reachable(), reason="there is an NVIDIA driver here")
def test_without_a_driver_there_are_no_gpus() -> None:
    assert gpu.look() == ()
    assert gpu.memory() == ()
    assert gpu.gpu_use() == ""


@needs_driver
def test_only_the_gpu_that_is_asked_for_is_looked_at(drivers: dict[bool, Path]) -> None:
    question = "[each.uuid for each in gpu.look('GPU-8') + gpu.memory('GPU-8') + gpu.look('GPU-9')]"
    assert answer(drivers[False], question) == "['GPU-8', 'GPU-8']"


@needs_driver
def test_parts_of_a_gpu_are_listed_as_far_as_visible(drivers: dict[bool, Path]) -> None:
    question = "gpu.visible_parts()"
    assert answer(drivers[False], question) == "('MIG-1', 'MIG-2')"
    visible = answer(drivers[False], question, CUDA_VISIBLE_DEVICES="MIG-2,GPU-9")
    assert visible == "('MIG-2',)"
