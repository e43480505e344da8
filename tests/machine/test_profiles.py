from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.machine import profiles
from autoresearch_kit.records import Accelerator

GPUS = {
    "H100": (Accelerator("cuda", (9, 0), 85_000), "h100"),
    "H200": (Accelerator("cuda", (9, 0), 150_000), "h100"),
    "B200": (Accelerator("cuda", (10, 0), 190_000), "h100"),
    "a third of an H100": (Accelerator("cuda", (9, 0), 21_000), "consumer"),
    "A100 of 40 GB": (Accelerator("cuda", (8, 0), 42_300), "a100"),
    "L40S": (Accelerator("cuda", (8, 9), 47_700), "a100"),
    "RTX 4090": (Accelerator("cuda", (8, 9), 25_400), "consumer"),
    "RTX 5090": (Accelerator("cuda", (12, 0), 34_000), "consumer"),
    "T4": (Accelerator("cuda", (7, 5), 15_800), "t4"),
    "V100": (Accelerator("cuda", (7, 0), 34_000), "t4"),
    "P100": (Accelerator("cuda", (6, 0), 17_000), "cpu-eager"),
    "M3": (Accelerator("mps", (0, 0), 12_700), "mps"),
}


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="no profile 'tpu'; profiles: h100, a100, consumer, t4"):
        profiles.find("tpu")


@pytest.mark.parametrize(("accelerator", "name"), GPUS.values(), ids=GPUS)
def test_what_a_gpu_can_do_chooses_its_profile(accelerator: Accelerator, name: str) -> None:
    assert profiles.choose(accelerator).name == name


@pytest.mark.parametrize("compiler", [False, True])
def test_only_with_a_compiler_the_loss_is_compiled(
    compiler: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if compiler:
        (tmp_path / "g++").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert profiles.choose(None).constants["COMPILE"] is compiler


def test_a_large_gpu_steps_over_as_many_tokens_as_upstream() -> None:
    constants = profiles.find("h100").constants
    rows = int(constants["DEVICE_BATCH_SIZE"]) * int(constants["GRAD_ACCUMULATION"])
    assert rows * 2048 == 2**18


def test_constants_that_somebody_changed_are_no_profiles() -> None:
    night = profiles.find("h100").constants
    assert profiles.is_unchanged(night)
    assert not profiles.is_unchanged({**night, "DEPTH": 10})
