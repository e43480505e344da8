"""Find the device nodes by which a process reaches one of the GPUs of torch, and no other GPU.

In a process whose torch uses them, CUDA's driver says which GPU is its first, second and so on, and
NVIDIA's management library which node is that GPU's.
"""

import ctypes
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pynvml

from autoresearch_kit.errors import KitError
from autoresearch_kit.machine import gpu

DEV = Path("/dev")

CAPABILITIES = Path("/proc/driver/nvidia/capabilities")
"""Folder in which the driver names the nodes of the parts of a partitioned GPU (MIG)."""

DRIVERS = ("nvidia*", "kfd", "dxg")
"""Nodes of the drivers of GPUs that torch can use: NVIDIA's, AMD's ROCm, and WSL's. `dri` is left
out: integrated graphics have that too."""

SHARED = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
"""Nodes that all of NVIDIA's GPUs share and CUDA opens."""

OTHERS = {"kfd": "dri/renderD*", "dxg": ""}
"""Drivers whose GPUs are not distinguished by nodes here, and the nodes that they need besides."""


@dataclass(frozen=True)
class Reach:
    """A GPU's nodes, and its name in CUDA_VISIBLE_DEVICES.

    `uuid` is `GPU-...` or `MIG-...`; empty where the user's own environment decides.
    """

    uuid: str
    nodes: tuple[str, ...]


def may_have_gpu() -> bool:
    """Return whether a driver of GPUs that torch can use has nodes here."""
    return any(True for name in DRIVERS for _ in DEV.glob(name))


def reach_others() -> Reach:
    """Return how to reach a GPU with ROCm, or under WSL: by all of its driver's nodes."""
    drivers = [name for name in OTHERS if (DEV / name).exists()]
    more = [node for name in drivers if OTHERS[name] for node in DEV.glob(OTHERS[name])]
    return Reach("", (*(str(DEV / name) for name in drivers), *sorted(map(str, more))))


def reach_cuda(index: int = 0) -> Reach:
    """Return how to reach CUDA's GPU of this index, by its own node.

    Raises:
        KitError: there are several GPUs, and it is unknown which node is that one's.
    """
    numbered = {int(path.name[6:]): path for path in DEV.glob("nvidia*") if path.name[6:].isdigit()}
    if not numbered:
        return reach_others()
    shared = [str(DEV / name) for name in SHARED if (DEV / name).exists()]
    asked = uuid_of(index)
    uuid, minor, part_nodes = _ask_driver(asked)
    if minor in numbered:
        return Reach(uuid, (str(numbered[minor]), *shared, *part_nodes))
    if len(numbered) == 1:
        return Reach("", (*map(str, numbered.values()), *shared))
    nodes = ", ".join(str(numbered[minor]) for minor in sorted(numbered))
    raise KitError(
        f"which of {nodes} is the GPU {asked} can't be told: NVIDIA's management library, "
        f"libnvidia-ml.so.1, is missing or does not know it; install it (it comes with the "
        f"driver), or start a container that has one GPU"
    )


def uuid_of(index: int) -> str:
    """Return the UUID of CUDA's GPU of this index in this process, without a prefix.

    CUDA obeys CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER here. A part of a GPU has its own UUID:
    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__DEVICE.html, cuDeviceGetUuid_v2.

    Raises:
        KitError: the driver can't be asked.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise KitError(f"CUDA's driver can't be loaded: {error}") from error
    device, raw = ctypes.c_int(), (ctypes.c_ubyte * 16)()
    for status in (
        driver.cuInit(0),
        driver.cuDeviceGet(ctypes.byref(device), index),
        driver.cuDeviceGetUuid_v2(raw, device),
    ):
        if status != 0:
            raise KitError(f"CUDA's driver does not say which its GPU {index} is: error {status}")
    return str(UUID(bytes=bytes(raw)))


def _ask_driver(plain: str) -> tuple[str, int | None, list[str]]:
    """Return the name, node number and further nodes of the GPU, or part of a GPU, of this UUID.

    The number is None where the management library is missing or doesn't know it.
    """
    if not gpu.reachable():
        return "", None, []
    by_name = pynvml.nvmlDeviceGetHandleByUUID
    with suppress(pynvml.NVMLError):  # it may be a part
        return f"GPU-{plain}", pynvml.nvmlDeviceGetMinorNumber(by_name(f"GPU-{plain}")), []
    with suppress(pynvml.NVMLError):
        part = by_name(f"MIG-{plain}")
        whole = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part)
        minor = pynvml.nvmlDeviceGetMinorNumber(whole)
        gpu_instance = pynvml.nvmlDeviceGetGpuInstanceId(part)
        compute_instance = pynvml.nvmlDeviceGetComputeInstanceId(part)
        return f"MIG-{plain}", minor, _part_nodes(minor, gpu_instance, compute_instance)
    return "", None, []


def _part_nodes(minor: int, gpu_instance: int, compute_instance: int) -> list[str]:
    """Return the nodes of a part of a GPU, by the driver's numbers.

    https://docs.nvidia.com/datacenter/tesla/mig-user-guide/device-nodes-and-capabilities.html
    """
    instance = CAPABILITIES / f"gpu{minor}" / "mig" / f"gi{gpu_instance}"
    files = (instance / "access", instance / f"ci{compute_instance}" / "access")
    lines = [line for file in files for line in file.read_text().splitlines()]
    numbers = [line.split()[1] for line in lines if line.startswith("DeviceFileMinor:")]
    return [str(DEV / "nvidia-caps" / f"nvidia-cap{number}") for number in numbers]
