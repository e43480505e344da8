"""The device and the precision that training and scoring share.

The scorer must run a model exactly as its notebook trained it, so there is one place to decide.
"""

import torch


def device() -> torch.device:
    """Where models train and are scored: the GPU that CUDA puts first, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> torch.autocast:
    """The context in which models run on `device`: bfloat16 where it has that, else no autocast.

    A fresh context at each call.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=computes_bfloat16(device))


def computes_bfloat16(device: torch.device) -> bool:
    """Whether `device` has bfloat16 arithmetic of its own.

    `torch.cuda.is_bf16_supported()` says True of a T4, which emulates it slowly; compute capability
    8 (Ampere) is the first that has it. CPUs have it with AVX512_BF16 or AMX.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
