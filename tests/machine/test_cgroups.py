"""Test bounds of cgroups, in folders laid out as the kernel's and on a real process."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from autoresearch_kit.machine import cgroups

UNLIMITED = "9223372036854771712"
"""The limit that version 1 names for memory that nothing bounds."""


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def lay_out(mount: Path, own: str, files: Mapping[str, str]) -> Path:
    """Write the files under `mount`; return the file that stands for /proc/self/cgroup."""
    for name, text in files.items():
        path = mount / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    said = mount.parent / "own"
    said.write_text(own)
    return said


V1 = "cpu,cpuacct/cpu.cfs_"

PROCESSORS: dict[str, tuple[str, dict[str, str], float | None]] = {
    "own": ("0::/a/b", {"a/b/cpu.max": "150000 100000", "a/cpu.max": "max 100000"}, 1.5),
    "a parent's": ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "400000 100000"}, 4.0),
    "the least": ("0::/a/b", {"a/b/cpu.max": "800000 100000", "a/cpu.max": "400000 100000"}, 4.0),
    "max": ("0::/a", {"a/cpu.max": "max 100000"}, None),
    "a set": ("0::/a", {"a/cpu.max": "max 100000", "a/cpuset.cpus.effective": "0-3,8"}, 5),
    "a quota in a set": (
        "0::/a", {"a/cpu.max": "200000 100000", "a/cpuset.cpus.effective": "0-3,8"}, 2.0,
    ),
    "a container's": ("0::/", {"cpu.max": "50000 100000"}, 0.5),
    "outside of the namespace": ("0::/../../x", {"cpu.max": "300000 100000"}, 3.0),
    "deleted": ("0::/gone (deleted)", {"cpu.max": "300000 100000"}, 3.0),
    "unreadable": ("0::/a", {"a/cpu.max": "nonsense", "a/cpuset.cpus.effective": ""}, None),
    "half unreadable": ("0::/a", {"a/cpu.max": "some 100000", "cpu.max": "300000 100000"}, 3.0),
    "version 1": (
        "4:cpu,cpuacct:/docker/7", {f"{V1}quota_us": "250000", f"{V1}period_us": "100000"}, 2.5,
    ),
    "version 1, a parent's": (
        "4:cpu:/job/step",
        {
            "cpu/job/cpu.cfs_quota_us": "200000",
            "cpu/job/cpu.cfs_period_us": "100000",
            "cpu/job/step/cpu.cfs_quota_us": "-1",
            "cpu/job/step/cpu.cfs_period_us": "100000",
        },
        2.0,
    ),
    "both versions": (
        "4:cpuset:/job\n0::/", {"cpuset/job/cpuset.cpus": "2,4-5", "unified/x": ""}, 3,
    ),
    "another hierarchy's": ("3:memory:/job", {"memory/job/cpu.max": "100000 100000"}, None),
}  # fmt: skip


@pytest.mark.parametrize(("own", "files", "limit"), PROCESSORS.values(), ids=PROCESSORS)
def test_processors(mount: Path, own: str, files: Mapping[str, str], limit: float | None) -> None:
    assert cgroups.cpu_limit(mount, lay_out(mount, own, files)) == limit


LIMIT = "memory.limit_in_bytes"

MEMORY_LIMITS: dict[str, tuple[str, dict[str, str], int | None]] = {
    "own": ("0::/a/b", {"a/b/memory.max": "2000", "a/memory.max": "max"}, 2000),
    "a parent's": ("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": "1000"}, 1000),
    "max": ("0::/a", {"a/memory.max": "max"}, None),
    "version 1": ("3:memory:/docker/7", {f"memory/{LIMIT}": "5000"}, 5000),
    "version 1, a parent's": (
        "3:memory:/job/step",
        {f"memory/job/{LIMIT}": "7000", f"memory/job/step/{LIMIT}": UNLIMITED},
        7000,
    ),
}


@pytest.mark.parametrize(("own", "files", "limit"), MEMORY_LIMITS.values(), ids=MEMORY_LIMITS)
def test_memory(mount: Path, own: str, files: Mapping[str, str], limit: int | None) -> None:
    assert cgroups.memory_limit(mount, lay_out(mount, own, files)) == limit


@pytest.mark.parametrize(
    ("own", "files", "usage"),
    [
        (
            "2:cpuacct:/job\n0::/\n",
            {
                "cpuacct/job/cpuacct.usage": "5000000000",
                "cpuacct/job/cgroup.procs": "7\n8\n",
                "cpuacct/job/step/cgroup.procs": "9\n",
            },
            cgroups.Usage(5.0, frozenset({7, 8, 9})),
        ),
        (
            "0::/a\n",
            {
                "a/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
                "a/cgroup.events": "populated 1",
                "a/cgroup.procs": "7\n",
            },
            cgroups.Usage(2.5, frozenset({7})),
        ),
        ("0::/\n", {"cpu.stat": "usage_usec 2500000\n", "cgroup.procs": "7\n"}, None),
        ("2:cpuacct:/\n", {"cpuacct/cpuacct.usage": "5", "cpuacct/cgroup.procs": "0\n7\n"}, None),
        ("2:cpuacct:/\n", {}, None),
    ],
    ids=["version 1", "version 2", "version 2's root", "processes out of sight", "nothing"],
)
def test_usage(
    mount: Path, own: str, files: Mapping[str, str], usage: cgroups.Usage | None
) -> None:
    assert cgroups.usage(mount, lay_out(mount, own, files)) == usage


def test_without_cgroups_there_is_no_limit(tmp_path: Path) -> None:
    assert cgroups.cpu_limit(tmp_path, tmp_path / "none") is None
    assert cgroups.memory_limit(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(("limit", "cpus"), [(0.5, 1), (1.5, 1), (None, 6), (64.0, 6)])
def test_a_part_of_a_processor_is_left_out(
    limit: float | None, cpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "cpu_limit", lambda: limit)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert cgroups.cpus() == cpus


def test_memory_is_never_more_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "memory_limit", lambda: int(UNLIMITED))
    assert cgroups.memory_mb() == psutil.virtual_memory().total / 1e6


QUOTA, PERIOD, MEMORY = 150_000, 100_000, 600_000_000
SETTINGS = {
    "": {"cpu.max": f"{QUOTA} {PERIOD}", "memory.max": str(MEMORY)},
    "cpu": {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(QUOTA)},
    "memory": {"memory.limit_in_bytes": str(MEMORY)},
}
"""Files that bound a real cgroup, by hierarchy: version 2's, or two of version 1's."""

JOINS = """
import os, sys
from pathlib import Path
for folder in sys.argv[1:]:
    (Path(folder) / 'cgroup.procs').write_text(str(os.getpid()))
from autoresearch_kit.machine import cgroups
from autoresearch_kit.execution.sandbox import bubblewrap
env = bubblewrap.environment(home=Path('/tmp'), kit=Path('/tmp'), run_id='x')
print(cgroups.cores(), cgroups.memory_mb(), env['OMP_NUM_THREADS'])
"""


@pytest.fixture
def bounded() -> Iterator[list[Path]]:
    """Yield cgroups made here of 1.5 processors and 600 MB."""
    second = (cgroups.MOUNT / "cgroup.controllers").exists()
    made: list[Path] = []
    try:
        for name in [""] if second else ["cpu", "memory"]:
            folder = cgroups.MOUNT / name / f"autoresearch-test-{os.getpid()}"
            folder.mkdir()
            made.append(folder)
            for file, text in SETTINGS[name].items():
                (folder / file).write_text(text)
    except OSError as error:
        for folder in made:
            folder.rmdir()
        pytest.skip(f"no cgroup can be made here: {error}")
    yield made
    for folder in made:
        folder.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="cgroups are Linux's")
def test_a_real_process_in_a_cgroup_is_bounded(bounded: list[Path]) -> None:
    command = [sys.executable, "-c", JOINS, *map(str, bounded)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cores, memory, threads = map(float, done.stdout.split())
    assert (cores, round(memory), threads) == (1, 600, 1)
