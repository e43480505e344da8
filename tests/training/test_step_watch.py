"""Step times, and a profile of a few steps."""

from collections.abc import Iterator
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


def counted(count: int) -> Iterator[int]:
    yield from range(count)


def profile_of(
    folder: Path, count: int, *, progress: float = 0.0, device: torch.device = CPU
) -> StepProfile:
    for _ in watched(counted(count), lambda: progress, device, folder / FILE):
        work(device)
    return decode(StepProfile, (folder / FILE).read_bytes())


def test_settled_steps_are_profiled_and_the_others_timed(tmp_path: Path) -> None:
    found = profile_of(tmp_path, SETTLED + PROFILED + 5)
    assert found.steps == PROFILED
    names = [row.name for row in found.rows]
    assert "aten::mm" in names
    assert "aten::gelu" in names
    assert 0.99 < sum(row.share for row in found.rows) <= 1.0001
    [mm] = [row for row in found.rows if row.name == "aten::mm"]
    assert mm.calls == 1
    assert found.first_ms is not None
    assert found.typical_ms is not None
    assert found.slow_ms is not None
    assert found.profiled_ms is not None
    assert sum(row.milliseconds for row in found.rows) < found.profiled_ms
    assert found.trouble == ""


def test_of_few_long_steps_those_after_the_first_are_profiled(tmp_path: Path) -> None:
    found = profile_of(tmp_path, 3, progress=0.5)
    assert found.steps == 2
    assert found.rows
    assert found.first_ms is not None


def test_too_few_steps_for_a_profile_are_timed_and_say_so(tmp_path: Path) -> None:
    found = profile_of(tmp_path, 4)
    assert (found.steps, found.rows) == (0, ())
    assert found.trouble == "4 steps are too few for a profile"
    assert found.typical_ms is not None


def test_a_loop_that_crashes_leaves_what_was_seen(tmp_path: Path) -> None:
    def crash() -> None:
        for step in watched(counted(99), lambda: 0.0, CPU, tmp_path / FILE):
            work(CPU)
            if step == SETTLED + 2:
                raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        crash()
    found = decode(StepProfile, (tmp_path / FILE).read_bytes())
    assert found.steps == 3
    assert found.rows


def test_a_step_that_breaks_the_loop_is_one_of_those_profiled(tmp_path: Path) -> None:
    for step in watched(counted(99), lambda: 0.0, CPU, tmp_path / FILE):
        work(CPU)
        if step == SETTLED + 1:
            break
    found = decode(StepProfile, (tmp_path / FILE).read_bytes())
    assert found.steps == 2
    assert [row.calls for row in found.rows if row.name == "aten::mm"] == [1]


def test_what_the_profiler_says_of_itself_is_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    profile_of(tmp_path, SETTLED + PROFILED)
    assert capfd.readouterr() == ("", "")


def test_a_profiler_that_can_not_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("no counters for you")

    monkeypatch.setattr(step_watch, "profile", refuse)
    found = profile_of(tmp_path, SETTLED + PROFILED)
    assert found.trouble == "torch.profiler can't start: no counters for you"
    assert found.typical_ms is not None


@pytest.mark.gpu
def test_on_a_gpu_rows_are_kernels(tmp_path: Path) -> None:
    found = profile_of(tmp_path, SETTLED + PROFILED, device=torch.device("cuda"))
    assert found.on_gpu
    assert found.rows
    assert not any(row.name.startswith("aten::") for row in found.rows)
