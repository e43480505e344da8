"""Choose cores for runs, and pin processes to them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.machine import cgroups, cores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes")

ASK = "import os; print(sorted(os.sched_getaffinity(0)), os.cpu_count() > 0)"


@pytest.fixture
def four_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Return a machine of four cores with two threads each, numbered as Intel's are."""
    for number in range(8):
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        siblings = f"{number % 4},{number % 4 + 4}"
        (folder / "thread_siblings_list").write_text(siblings)
    monkeypatch.setattr(cores, "TOPOLOGY", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(cgroups, "cpu_limit", lambda: None)


@pytest.mark.usefixtures("four_cores")
def test_slots_have_cores_of_their_own() -> None:
    assert cores.for_slots(2, 2) == ((0, 1), (2, 3))


@pytest.mark.usefixtures("four_cores")
def test_too_many_cores_are_refused_with_their_number() -> None:
    with pytest.raises(InputError, match=r"need 6 cores .* may use 4:"):
        cores.for_slots(3, 2)


@pytest.mark.usefixtures("four_cores")
def test_a_quota_bounds_the_cores_of_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "cpu_limit", lambda: 2.5)
    with pytest.raises(InputError, match="may use 2:"):
        cores.for_slots(3, 1)


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize(
    ("parts", "shares"),
    [(1, ((),)), (2, ((0, 4, 1, 5), (2, 6, 3, 7))), (3, ((0, 4), (1, 5), (2, 6))), (5, ((),) * 5)],
)
def test_gpus_share_whole_cores_evenly(parts: int, shares: tuple[tuple[int, ...], ...]) -> None:
    assert cores.split(parts) == shares


def test_what_is_started_there_stays_there() -> None:
    before = os.sched_getaffinity(0)
    with cores.pinned([min(before)]):
        assert cgroups.cpus() == 1
        said = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True).stdout
    assert said == f"[{min(before)}] True\n"
    assert os.sched_getaffinity(0) == before
