"""A torch that claims a GPU, for tests on machines without one."""

from pathlib import Path

import pytest

NAME = "NVIDIA H200"

CLAIM = f"""
import sys
if "autoresearch_kit.execution.machine_probe" in sys.orig_argv:
    import types
    import torch
    torch.cuda.is_available = lambda: True
    torch.cuda.get_device_capability = lambda *_: (9, 0)
    torch.cuda.get_device_name = lambda *_: "{NAME}"
    torch.cuda.get_device_properties = lambda *_: types.SimpleNamespace(total_memory=150e9)
"""


def claim_gpu_outside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have torch claim a GPU in probes of this machine, but not where the sandbox's walls are."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CLAIM)
    monkeypatch.setenv("PYTHONPATH", str(folder))
