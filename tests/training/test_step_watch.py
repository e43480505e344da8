"""Step times, and a profile of a few steps."""

from pathlib import Path

import pytest
import torch

from autoresearch_kit.execution import handover
from autoresearch_kit.records import StepProfile
from autoresearch_kit.records.codec import decode
from autoresearch_kit.training import step_watch
from autoresearch_kit.training.step_watch import PROFILED, SETTLED, watched

CPU = torch.device("cpu")
FILE = handover.PROFILE_FILE


def work(device: torch.device) -> None:
    matrix = torch.ones(64, 64, device=device)
    torch.nn.functional.gelu(matrix @ matrix)


def profile_of(
    folder: Path, count: int, *, progress: float = 0.0, device: torch.device = CPU
) -> StepProfile:
    for _ in watched(iter(range(count)), lambda: progress, device, folder / FILE):
        work(device)
    return read_profile(folder)


def read_profile(folder: Path) -> StepProfile:
    return decode(StepProfile, (folder / FILE).read_bytes())


def test_settled_steps_are_profiled_and_the_others_timed(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, SETTLED + PROFILED + 5)
    assert profile.steps == PROFILED
    names = [row.name for row in profile.rows]
    assert "aten::mm" in names
    assert "aten::gelu" in names
    assert 0.99 < sum(row.share for row in profile.rows) <= 1.0001
    [mm] = [row for row in profile.rows if row.name == "aten::mm"]
    assert mm.calls == 1
    assert profile.first_ms is not None
    assert profile.typical_ms is not None
    assert profile.slow_ms is not None
    assert profile.profiled_ms is not None
    assert sum(row.milliseconds for row in profile.rows) < profile.profiled_ms
    assert profile.trouble == ""


def test_of_few_long_steps_those_after_the_first_are_profiled(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, 3, progress=0.5)
    assert profile.steps == 2
    assert profile.rows
    assert profile.first_ms is not None


def test_too_few_steps_for_a_profile_are_only_timed(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, 4)
    assert (profile.steps, profile.rows) == (0, ())
    assert profile.trouble == "4 steps are too few for a profile"
    assert profile.typical_ms is not None


def test_a_loop_that_crashes_leaves_its_profile(tmp_path: Path) -> None:
    def crash() -> None:
        for step in watched(iter(range(99)), lambda: 0.0, CPU, tmp_path / FILE):
            work(CPU)
            if step == SETTLED + 2:
                raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        crash()
    profile = read_profile(tmp_path)
    assert profile.steps == 3
    assert profile.rows


def test_a_step_that_breaks_the_loop_is_profiled(tmp_path: Path) -> None:
    for step in watched(iter(range(99)), lambda: 0.0, CPU, tmp_path / FILE):
        work(CPU)
        if step == SETTLED + 1:
            break
    profile = read_profile(tmp_path)
    assert profile.steps == 2
    assert [row.calls for row in profile.rows if row.name == "aten::mm"] == [1]


def test_what_the_profiler_says_of_itself_is_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    profile_of(tmp_path, SETTLED + PROFILED)
    assert capfd.readouterr() == ("", "")


def test_a_profiler_that_can_not_start_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("no counters for you")

    monkeypatch.setattr(step_watch, "profile", refuse)
    profile = profile_of(tmp_path, SETTLED + PROFILED)
    assert profile.trouble == "torch.profiler can't start: no counters for you"
    assert profile.typical_ms is not None


@pytest.mark.gpu
def test_on_a_gpu_rows_are_kernels(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, SETTLED + PROFILED, device=torch.device("cuda"))
    assert profile.on_gpu
    assert profile.rows
    assert not any(row.name.startswith("aten::") for row in profile.rows)
