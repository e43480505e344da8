"""What a run holds of a GPU, told from what a driver says of its memory."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.execution.launch import execute
from autoresearch_kit.execution.runner.gpu_memory import GpuPeak
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.machine.gpu import GpuMemory
from autoresearch_kit.records import Accelerator, Reason
from tests.execution.notebooks import make_spec, notebook

MB = 1_000_000
TOTAL = 80_000 * MB
OTHER = os.getpid()
"""A process that is here, and not the run's."""
ABSENT = 2**22 + 1
"""More than Linux numbers processes: a number of the host's, seen from a container."""


def peak_of(
    looks: Iterable[tuple[int, Mapping[int, int | None]]], own: int = 40
) -> tuple[list[float], float | None]:
    """What each look says, and the peak, in MB; a look is MB in use, and MB by process."""
    script = iter(
        (
            GpuMemory(
                "GPU-0",
                used * MB,
                TOTAL,
                {pid: None if held is None else held * MB for pid, held in processes.items()},
            ),
        )
        for used, processes in looks
    )
    peak = GpuPeak(lambda: next(script))
    said = [peak.look(()), *(peak.look({own}) for _ in list(looks)[1:])]
    return said, peak.mb


def test_a_process_of_the_runs_counts_what_it_holds() -> None:
    looks = [(500, {}), (9_000, {40: 8_000}), (70_500, {40: 67_000, OTHER: 3_000})]
    assert peak_of(looks) == ([0, 8_000, 67_000], 67_000)


def test_a_neighbours_memory_is_not_the_runs() -> None:
    looks = [(500, {}), (20_500, {OTHER: 20_000}), (30_000, {OTHER: 20_000, 40: 9_000})]
    assert peak_of(looks) == ([0, 0, 9_000], 9_000)


@pytest.mark.parametrize(
    "processes", [{}, {ABSENT: 66_000}, {40: None}], ids=["none", "the host's", "untold"]
)
def test_unknown_processes_count_by_memory_in_use(processes: Mapping[int, int | None]) -> None:
    assert peak_of([(500, {}), (67_400, processes)]) == ([0, 66_900], 66_900)


def test_what_an_earlier_run_still_held_counts_as_free() -> None:
    assert peak_of([(9_000, {}), (500, {}), (8_500, {})]) == ([0, 0, 8_000], 8_000)


def test_the_peak_stays_when_memory_is_given_back() -> None:
    assert peak_of([(500, {}), (9_500, {40: 9_000}), (500, {})]) == ([0, 9_000, 0], 9_000)


def test_without_a_gpu_there_is_no_peak() -> None:
    peak = GpuPeak(tuple)
    assert peak.look({40}) == 0
    assert peak.mb is None


DRIVER = r"""
#include <string.h>
typedef unsigned int u;
static unsigned long long used = 1000000000ULL;
int nvmlInitWithFlags(u flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(u *count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(u index, void **gpu) { *gpu = (void *)"GPU-7"; return 0; }
int nvmlDeviceGetUUID(void *gpu, char *out, u n) { strncpy(out, gpu, n); return 0; }
int nvmlDeviceGetMemoryInfo(void *gpu, unsigned long long *bytes) {
    bytes[0] = 80000000000ULL; bytes[1] = bytes[0] - used; bytes[2] = used;
    used = used < 10000000000ULL ? used + 3000000000ULL : used; /* with each look, up to 10 GB */
    return 0;
}
"""

ITS_GPU = Accelerator("cuda", (9, 0), 80_000.0, uuid="GPU-7")
"""What that driver has. The notebooks here do not look whether torch sees it."""

CLAIMS = """
import json, os
work = os.environ['AUTORESEARCH_WORK']
open(work + '/submission.pkl', 'wb').close()
with open(work + '/part', 'w') as file:
    claim = {'steps': 7, 'tokens': 70, 'compile_seconds': 0.0, 'gpu_allocated_mb': CLAIMED}
    json.dump(claim, file)
os.rename(work + '/part', work + '/submission.json')
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver whose GPU fills up while it is looked at."""
    folder = tmp_path / "driver"
    folder.mkdir()
    build = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(folder / "libnvidia-ml.so.1")]
    subprocess.run(build, input=DRIVER, text=True, check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))


slow_with_driver = [
    pytest.mark.slow,
    pytest.mark.usefixtures("driver"),
    pytest.mark.skipif(
        shutil.which("cc") is None or sys.platform != "linux", reason="no C compiler, or not Linux"
    ),
]


class TestARun:
    """Real runs, with such a driver."""

    pytestmark = slow_with_driver

    def test_a_run_over_its_gpu_memory_is_ended(self, tmp_path: Path) -> None:
        book = notebook("import time\ntime.sleep(60)")
        spec = make_spec(
            tmp_path, book, sandbox=bubblewrap.level(), train_seconds=60, gpu_memory_mb=5000.0
        )
        run = execute(replace(spec, gpu=ITS_GPU))
        assert run.failure is Reason.OUT_OF_MEMORY
        assert run.detail == "6,000 MB of the GPU's memory used, 5,000 MB allowed"
        assert run.gpu_mb == 6000.0

    @pytest.mark.parametrize(("claimed", "kept"), [("66900.04", 66900.0), ("1e300", 80000.0)])
    def test_the_allocators_word_is_bounded(
        self, tmp_path: Path, claimed: str, kept: float
    ) -> None:
        book = notebook("", submit=CLAIMS.replace("CLAIMED", claimed))
        spec = make_spec(tmp_path, book, sandbox=bubblewrap.level())
        run = execute(replace(spec, gpu=ITS_GPU))
        assert run.gpu_allocated_mb == kept
        assert run.gpu_mb in (3000.0, 6000.0, 9000.0)
