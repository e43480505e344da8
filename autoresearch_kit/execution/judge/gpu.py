"""Logits on an NVIDIA GPU, in memory that two processes have mapped: the judge and a predictor.

The memory is made by the driver's virtual memory management, and handed over as a file descriptor,
which a sandbox lets through (https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__VA.html). It
is an allocation by itself: nothing else of the judge's lies in its pages. torch for CUDA brings the
driver's bindings along, from 2.10 on.
"""

import os
import socket
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import SupportsInt

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.judge.exchange import LOGIT_BYTES, Shape, Terms
from autoresearch_kit.execution.judge.logits import Floats, Ints, new_mark, not_finite

DRIVER = "cuda.bindings.driver"


class DeviceMemory:
    """`size` bytes of the current GPU at an address of this process, until that ends."""

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
        """Return the memory from its beginning as a float32 tensor, which is no copy.

        Raises:
            ExecutionError: torch has made a copy.
        """
        layout = {"shape": shape, "typestr": "<f4", "data": (self.address, False), "version": 3}
        array = SimpleNamespace(__cuda_array_interface__=layout)  # torch takes others' arrays so
        tensor = torch.as_tensor(array, device="cuda")
        if tensor.data_ptr() != self.address:
            raise ExecutionError("torch has made a copy of the memory that should be shared")
        return tensor


def allocate(size: int) -> tuple[DeviceMemory, int]:
    """Return new memory of at least `size` bytes, and a descriptor for another process to open it.

    Raises:
        ExecutionError: no memory can be shared; the message says why.
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
    """Map the memory that another process has allocated.

    Raises:
        ExecutionError: it can't be mapped; the message says why.
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
    """Return what the driver answered, without the status that comes first, where 0 is success."""
    status, *given = answer
    if int(status):
        raise ExecutionError(f"the CUDA driver said {status}")
    return given[0] if given else status


class DeviceLogits:
    """Logits on the GPU, float32 `[b, T, V]`: see `logits.Logits`."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def losses(self, targets: Ints, positions: Ints | None = None) -> Floats:
        """Return nats per token. Row by row, since what is computed on the way may not fit."""
        low, high = self.tensor.aminmax()
        if not (low.isfinite() and high.isfinite()):
            raise not_finite(int((~self.tensor.isfinite()).sum().item()), self.tensor.numel())
        device, asked = self.tensor.device, self.tensor
        if positions is not None:
            index = torch.from_numpy(positions).to(device)
            asked = torch.take_along_dim(asked, index[..., None], 1)
        pairs = zip(asked, torch.from_numpy(targets).to(device), strict=True)
        rows = [cross_entropy(row, target, reduction="none") for row, target in pairs]
        nats: Floats = torch.stack(rows).cpu().numpy()
        return nats


def moved(array: Floats) -> DeviceLogits:
    """Copy logits to the GPU."""
    return DeviceLogits(torch.from_numpy(array).cuda())


class GpuBuffer:
    """A buffer for logits on the GPU: see `logits.Buffer`.

    Raises:
        ExecutionError: there is no memory that can be shared.
    """

    def __init__(self, shape: Shape, precision: str | None) -> None:
        memory, self._descriptor = allocate(shape.logits * LOGIT_BYTES)
        self._logits = memory.floats((shape.rows, shape.context, shape.vocab_size))
        self.terms = Terms(shape, precision, mark=new_mark(), device_bytes=memory.size)

    def share(self, memory: int, gpu_socket: socket.socket) -> None:  # noqa: ARG002 - for other buffers
        """Write the mark, and send the predictor the memory's descriptor."""
        self._logits[0, 0, 0] = self.terms.mark
        torch.cuda.synchronize()
        socket.send_fds(gpu_socket, [b"logits"], [self._descriptor])
        os.close(self._descriptor)

    def take(self, count: int) -> DeviceLogits:
        """Return a copy of the first `count` rows."""
        return DeviceLogits(self._logits[:count].clone())
