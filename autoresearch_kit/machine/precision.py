"""Choose the device and the precision, here for training and scoring alike.

The judge must have a model run exactly as its notebook trained it.
"""

import warnings

import torch

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.records.text import one_line

AMPERE = (8, 0)  # NVIDIA's first compute capability with bfloat16 arithmetic of its own

VOLTA = (7, 0)
"""NVIDIA's first with tensor cores, in float16; also the first that Triton compiles for."""

WARNING_LENGTH = 200  # characters of torch's message about a GPU that it can't use


def device() -> torch.device:
    """Return the device of training and scoring: CUDA's first GPU, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def expected(name: str) -> torch.device:
    """Return the device that torch calls `name`, ready for use. The CPU is always there.

    Raises:
        ExecutionError: torch doesn't find it, or can't use it; the message says why.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        usable = device()
    if name == "cpu":
        return torch.device(name)
    if usable.type != name:
        said = "".join(f" ({one_line(str(each.message), WARNING_LENGTH)})" for each in caught[:1])
        raise ExecutionError(
            f"this run is to compute on '{name}', and torch finds only '{usable.type}'{said}; "
            f"`autoresearch doctor` shows what runs see"
        )
    try:
        torch.empty(1, device=usable)
    except RuntimeError as error:
        said = one_line(str(error), WARNING_LENGTH)
        raise ExecutionError(
            f"this run is to compute on '{name}', which torch can't use: {said}"
        ) from error
    return usable


def autocast(device: torch.device) -> torch.autocast:
    """Return the context in which models run on `device`, a fresh one at each call.

    bfloat16 where the device has that, float16 where it has tensor cores for it, else no autocast.
    """
    return autocast_to(device, computes_in(device))


def autocast_to(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return a context that casts to `dtype` on `device`; with float32, one that casts nothing."""
    enabled = dtype is not torch.float32
    return torch.autocast(device.type, dtype=dtype if enabled else torch.bfloat16, enabled=enabled)


def loss_scaler(device: torch.device) -> torch.amp.GradScaler:
    """Return the scaler that keeps gradients from vanishing in float16; it is off otherwise."""
    return torch.amp.GradScaler(device.type, enabled=computes_in(device) is torch.float16)


def computes_in(device: torch.device) -> torch.dtype:
    """Return the precision of matrix products on `device`: bfloat16, float16 or float32.

    `torch.cuda.is_bf16_supported()` is True for a T4, which emulates it slowly, so the compute
    capability decides. CPUs have bfloat16 with AVX512_BF16 or AMX; Apple's GPUs use float32.
    """
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if capability >= AMPERE:
            return torch.bfloat16
        return torch.float16 if capability >= VOLTA else torch.float32
    if device.type == "cpu" and _cpu_has_bfloat16():
        return torch.bfloat16
    return torch.float32


def name_of(dtype: torch.dtype) -> str:
    """Return the name of a precision in records, such as `bfloat16`."""
    return str(dtype).removeprefix("torch.")


def of_name(name: str) -> torch.dtype:
    """Return the precision that `name_of` gave this name."""
    known = (torch.bfloat16, torch.float16, torch.float32)
    return next(dtype for dtype in known if name_of(dtype) == name)


def _cpu_has_bfloat16() -> bool:
    # private: the public torch.cpu.get_capabilities is younger than the oldest torch allowed (2.9)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
