import pytest
import torch

from autoresearch_kit.machine import precision

P100, T4, L4, H100 = (6, 0), (7, 5), (8, 9), (9, 0)
CUDA = torch.device("cuda")


@pytest.fixture
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has torch describe another GPU, and say that it supports bfloat16, as it says of all."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: request.param)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)


@pytest.mark.parametrize(
    ("gpu", "dtype"),
    [(P100, torch.float32), (T4, torch.float16), (L4, torch.bfloat16), (H100, torch.bfloat16)],
    ids=["P100", "T4", "L4", "H100"],
    indirect=["gpu"],
)
@pytest.mark.usefixtures("gpu")
def test_a_gpu_computes_in_what_it_does_not_emulate(dtype: torch.dtype) -> None:
    assert precision.computes_in(CUDA) is dtype


def test_apples_gpus_stay_in_float32() -> None:
    assert precision.computes_in(torch.device("mps")) is torch.float32


def test_float32_is_neither_cast_nor_scaled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    cpu = torch.device("cpu")
    with precision.autocast(cpu):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32
    assert not precision.loss_scaler(cpu).is_enabled()


def test_losses_are_scaled_in_float16_only(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for dtype in (torch.float16, torch.bfloat16):
        monkeypatch.setattr(precision, "computes_in", lambda _, dtype=dtype: dtype)
        assert precision.loss_scaler(cpu).is_enabled() is (dtype is torch.float16)
