"""Test by which device nodes a GPU is reached, with drivers that are built here."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.machine import gpu_nodes

CUDA = r"""
#include <string.h>
int cuInit(unsigned flags) { return FAILS; }
int cuDeviceGet(int *device, int index) { *device = 7 + index; return 0; }
int cuDeviceGetUuid_v2(unsigned char *out, int device) {
    for (int i = 0; i < 16; i++) out[i] = i + device - 7;
    return 0;
}
"""

NVML = r"""
#include <string.h>
typedef unsigned int u;
int nvmlInitWithFlags(u flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByUUID(const char *name, void **gpu) {
    int first = !strcmp(name, KNOWN "-00010203-0405-0607-0809-0a0b0c0d0e0f");
    *gpu = (void *)(first ? 1L : 2L);
    return first || !strcmp(name, KNOWN "-01020304-0506-0708-090a-0b0c0d0e0f10") ? 0 : 6;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *part, void **gpu) { *gpu = part; return 0; }
int nvmlDeviceGetMinorNumber(void *gpu, u *minor) { *minor = 2 - (u)(long)gpu; return 0; }
int nvmlDeviceGetGpuInstanceId(void *part, u *id) { *id = 3; return 0; }
int nvmlDeviceGetComputeInstanceId(void *part, u *id) { *id = 0; return 0; }
"""

UUID = "00010203-0405-0607-0809-0a0b0c0d0e0f"

ASK = """
import sys
from pathlib import Path
from autoresearch_kit.machine import gpu_nodes
gpu_nodes.DEV = Path(sys.argv[1])
gpu_nodes.CAPABILITIES = Path(sys.argv[1]) / "capabilities"
reach = gpu_nodes.reach_cuda(int(sys.argv[2]))
print(reach.uuid, *(Path(node).relative_to(sys.argv[1]) for node in reach.nodes))
"""

needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None or sys.platform != "linux", reason="no C compiler for Linux"
)


def build(folder: Path, name: str, source: str, *options: str) -> None:
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(folder / name), *options]
    subprocess.run(command, input=source, text=True, check=True)


def ask(folder: Path, *nodes: str, cuda: int = 0, known: str = "", index: int = 0) -> str:
    """Ask where `/dev` has these nodes, and the driver's library knows GPUs of this kind."""
    build(folder, "libcuda.so.1", CUDA, f"-DFAILS={cuda}")
    if known:
        build(folder, "libnvidia-ml.so.1", NVML, f'-DKNOWN="{known}"')
    for node in nodes:
        (folder / node).parent.mkdir(exist_ok=True)
        (folder / node).touch()
    env = {
        "LD_LIBRARY_PATH": str(folder),
        "PYTHONPATH": str(Path(gpu_nodes.__file__).parents[2]),
    }
    command = [sys.executable, "-c", ASK, str(folder), str(index)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@needs_compiler
def test_only_the_first_gpu_of_cuda_is_reached(tmp_path: Path) -> None:
    said = ask(
        tmp_path,
        "nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-modeset", "dri/card0",
        known="GPU",
    )  # fmt: skip
    assert said == f"GPU-{UUID} nvidia1 nvidiactl nvidia-uvm"


@needs_compiler
def test_each_gpu_is_reached_by_its_own_node(tmp_path: Path) -> None:
    said = ask(tmp_path, "nvidia0", "nvidia1", "nvidiactl", known="GPU", index=1)
    assert said == "GPU-01020304-0506-0708-090a-0b0c0d0e0f10 nvidia0 nvidiactl"


@needs_compiler
def test_a_part_of_a_gpu_has_its_own_nodes(tmp_path: Path) -> None:
    instance = tmp_path / "capabilities" / "gpu1" / "mig" / "gi3"
    (instance / "ci0").mkdir(parents=True)
    (instance / "access").write_text("DeviceFileMinor: 30\nDeviceFileMode: 292\n")
    (instance / "ci0" / "access").write_text("DeviceFileMinor: 31\nDeviceFileMode: 292\n")
    said = ask(tmp_path, "nvidia0", "nvidia1", "nvidiactl", known="MIG")
    caps = "nvidia-caps/nvidia-cap30 nvidia-caps/nvidia-cap31"
    assert said == f"MIG-{UUID} nvidia1 nvidiactl {caps}"


@needs_compiler
@pytest.mark.parametrize("known", ["", "OTHER"], ids=["no management library", "unknown to it"])
def test_a_lone_node_is_the_gpu_s(known: str, tmp_path: Path) -> None:
    assert ask(tmp_path, "nvidia3", "nvidiactl", known=known) == "nvidia3 nvidiactl"


@needs_compiler
def test_one_of_several_nodes_is_not_guessed(tmp_path: Path) -> None:
    said = ask(tmp_path, "nvidia0", "nvidia1")
    assert f"nvidia1 is the GPU {UUID} can't be told" in said
    assert "install it" in said


@needs_compiler
def test_a_driver_that_does_not_answer_is_named(tmp_path: Path) -> None:
    said = ask(tmp_path, "nvidia0", cuda=304)
    assert said.endswith("CUDA's driver does not say which its GPU 0 is: error 304")


@pytest.mark.parametrize(
    ("nodes", "reached"),
    [
        (["kfd", "dri/renderD128", "dri/card0"], ["kfd", "dri/renderD128"]),
        (["dxg"], ["dxg"]),
        (["dri/renderD128"], []),
    ],
    ids=["ROCm", "WSL", "a screen"],
)
def test_other_drivers_are_reached_by_all_their_nodes(
    nodes: list[str], reached: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in nodes:
        (tmp_path / node).parent.mkdir(exist_ok=True)
        (tmp_path / node).touch()
    monkeypatch.setattr(gpu_nodes, "DEV", tmp_path)
    assert gpu_nodes.reach_cuda().nodes == tuple(str(tmp_path / node) for node in reached)
