"""Memory of an NVIDIA GPU that two processes have mapped: the judge's, and a predictor's.

It is made by the driver's virtual memory management, and handed over as a file descriptor, which
a sandbox lets through (https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__VA.html). It is an
allocation by itself: nothing else of the judge's lies in its pages. torch for CUDA brings the
driver's bindings along, from 2.10 on.
"""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import SupportsInt

import torch
from torch import Tensor

from autoresearch_kit.errors import ExecutionError

DRIVER = "cuda.bindings.driver"


class DeviceMemory:
    """So many bytes of the current GPU at an address of this process, until it ends."""

    def __init__(self, driver: ModuleType, handle: object, size: int) -> None:
        access = driver.CUmemAccessDesc()
        access.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
        access.location.id = torch.cuda.current_device()
        access.flags = driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE
        address = _asked(driver.cuMemAddressReserve(size, 0, driver.CUdeviceptr(0), 0))
        _asked(driver.cuMemMap(address, size, 0, handle, 0))
        _asked(driver.cuMemSetAccess(address, size, [access], 1))
        self.address = int(address)
        self.size = size

    def floats(self, shape: tuple[int, ...]) -> Tensor:
        """The first of its bytes as a float32 tensor, which is no copy.

        Raises:
            ExecutionError: torch has made a copy.
        """
        tensor = torch.as_tensor(_Array(self.address, shape), device="cuda")
        if tensor.data_ptr() != self.address:
            raise ExecutionError("torch has made a copy of the memory that should be shared")
        return tensor


class _Array:
    """An address, as other libraries take it."""

    def __init__(self, address: int, shape: tuple[int, ...]) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": "<f4",
            "data": (address, False),
            "version": 3,
        }


def allocate(size: int) -> tuple[DeviceMemory, int]:
    """New memory of at least `size` bytes, and the descriptor by which another process opens it.

    Raises:
        ExecutionError: there is none to be shared; the message says why.
    """
    driver = _driver()
    kinds = driver.CUmemAllocationHandleType
    wanted = driver.CUmemAllocationProp()
    wanted.type = driver.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
    wanted.requestedHandleTypes = kinds.CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
    wanted.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    wanted.location.id = torch.cuda.current_device()
    least = driver.CUmemAllocationGranularity_flags.CU_MEM_ALLOC_GRANULARITY_MINIMUM
    page = int(_asked(driver.cuMemGetAllocationGranularity(wanted, least)))
    size = -(-size // page) * page
    handle = _asked(driver.cuMemCreate(size, wanted, 0))
    shared = _asked(driver.cuMemExportToShareableHandle(handle, wanted.requestedHandleTypes, 0))
    memory = DeviceMemory(driver, handle, size)
    memory.floats((size // 4,)).zero_()
    return memory, int(shared)


def attach(descriptor: int, size: int) -> DeviceMemory:
    """The memory that another process has allocated, here.

    Raises:
        ExecutionError: it can't be had here; the message says why.
    """
    driver = _driver()
    kind = driver.CUmemAllocationHandleType.CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
    handle = _asked(driver.cuMemImportFromShareableHandle(descriptor, kind))
    return DeviceMemory(driver, handle, size)


def _driver() -> ModuleType:
    if not torch.cuda.is_available():
        raise ExecutionError("no CUDA device to share memory of")
    if find_spec("cuda") is None or find_spec("cuda.bindings") is None:
        raise ExecutionError("no package cuda-bindings, which torch for CUDA has from 2.10 on")
    torch.empty(1, device="cuda")  # makes the context that the driver asks for
    return import_module(DRIVER)


def _asked(answer: tuple[SupportsInt, ...]) -> SupportsInt:
    """What the driver gave, which comes behind its status, if it gives anything: 0 is success."""
    status, *given = answer
    if int(status):
        raise ExecutionError(f"the CUDA driver said {status}")
    return given[0] if given else status
