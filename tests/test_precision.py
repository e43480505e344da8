import pytest
import torch

from autoresearch_kit import precision

T4, L4 = (7, 5), (8, 9)


@pytest.mark.parametrize(("capability", "bfloat16"), [(T4, False), (L4, True)], ids=["T4", "L4"])
def test_a_gpu_that_emulates_bfloat16_trains_in_float32(
    capability: tuple[int, int], bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torch says of these two stands in for them; of a T4, that it supports bfloat16."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert precision.computes_bfloat16(torch.device("cuda")) is bfloat16
