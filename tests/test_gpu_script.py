"""Test `make gpu`: its limits, its table, and what travels to a machine without a network."""

import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from gpu import Done, Part

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
HANG = "import time; time.sleep(10**6)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {HANG}"


@pytest.fixture(autouse=True)
def _beside_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def part(name: str, *codes: str) -> "Part":
    import gpu

    return gpu.Part(name, [[sys.executable, "-c", code] for code in codes], gpu.table_rows)


def run(parts: Sequence["Part"], folder: Path, limit: float = 60) -> list["Done"]:
    import gpu

    folders, end = gpu.Place(folder, folder), time.monotonic() + 60
    limits = {part.name: limit for part in parts}
    return [done for part in parts for done in gpu.run_group([part], limits, folders, end)]


def test_a_part_that_hangs_is_ended_and_the_next_runs(tmp_path: Path) -> None:
    first, second = run([part("hangs", HANG), part("prints", "print('| a | b |')")], tmp_path, 1)
    assert first.ended.status is None
    assert second.ended.well
    assert second.rows == [("a", "b")]


def test_a_part_that_fails_is_named_and_the_next_runs(tmp_path: Path) -> None:
    import gpu

    done = run([part("fails", "exit(3)", "print('| a | b |')"), part("works", "")], tmp_path)
    assert [each.ended.status for each in done] == [3, 0]
    assert done[0].rows == []  # what comes after a command that failed is not run
    table = gpu.report(done).splitlines()
    assert table[2].startswith("| **fails** | **failed** |")
    assert table[3].startswith("| **works** | **ok** |")


def test_no_process_of_a_part_outlives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import limited

    monkeypatch.setattr(limited, "GRACE_SECONDS", 0.5)
    argv = f"[sys.executable, '-c', {STUBBORN!r}, {str(tmp_path)!r}]"
    child = f"import subprocess, sys; subprocess.Popen({argv})"
    run([part("leaves", f"{child}; {HANG}"), part("ends", child)], tmp_path, 3)
    known = psutil.process_iter(["cmdline"])
    killed = [process for process in known if str(tmp_path) in (process.info["cmdline"] or [])]
    _, alive = psutil.wait_procs(killed, timeout=30)  # the system takes a moment to end one
    assert alive == []


def test_no_part_goes_on_beyond_the_end_of_all(tmp_path: Path) -> None:
    import gpu

    (done,) = gpu.run_group(
        [part("late", HANG)], {"late": 60}, gpu.Place(tmp_path, tmp_path), time.monotonic() - 1
    )
    assert done.ended.status is None
    assert done.ended.seconds < 30


def test_a_table_becomes_one_line_for_each_of_its_rows() -> None:
    import gpu

    log = "words\n| | tokens/s | MFU |\n|---|---:|---:|\n| ours | 1,000 | 49.0% |\n\n| in all | 9 |"
    assert gpu.table_rows(log) == [("ours", "tokens/s 1,000; MFU 49.0%"), ("in all", "9")]


def test_the_doctors_gaps_are_in_the_table() -> None:
    import gpu

    log = """[{"what": "torch", "found": "2.11", "advice": ""},
        {"what": "git", "found": "2.40", "advice": ""},
        {"what": "sandbox", "found": "none", "advice": "install it"}]"""
    assert gpu.doctor_rows(log) == [("torch", "2.11"), ("sandbox", "none; install it")]


def test_text_has_each_source_once_and_no_more_than_asked() -> None:
    import python_text

    texts = list(python_text.documents(1_000_000))
    assert 800_000 < sum(len(text.encode()) for text in texts) <= 1_000_000
    assert len(set(texts)) == len(texts)
    assert texts == list(python_text.documents(1_000_000))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("huggingface_hub>=1.3.7", "huggingface-hub"),
        ("torch>=2.9,<2.14", "torch"),
        ("numpy==2.5.2", "numpy"),
        ("ruamel.yaml", "ruamel-yaml"),
        ("typing_extensions-4.16.0-py3-none-any.whl", "typing-extensions"),
    ],
)
def test_a_name_is_read_the_same_however_it_is_written(written: str, name: str) -> None:
    import collect_wheels

    assert collect_wheels.name_of(written) == name


def test_large_wheels_of_what_is_there_do_not_travel(tmp_path: Path) -> None:
    import collect_wheels

    for name, size in [("scipy", 2), ("rich", 0), ("openai", 2)]:
        wheel = tmp_path / f"{name}-1.0-py3-none-any.whl"
        wheel.write_bytes(b"x" * size * collect_wheels.LARGE_BYTES)
    left_out = collect_wheels.leave_out(tmp_path.iterdir(), ["scipy==1.0", "Rich"])
    assert [path.name for path in left_out] == ["scipy-1.0-py3-none-any.whl"]


def test_all_that_the_kit_needs_at_run_time_travels() -> None:
    import collect_wheels

    names = {collect_wheels.name_of(line) for line in collect_wheels.requirements()}
    assert {"papermill", "openai", "torch", "pytest", "pytest-timeout", "hatchling"} <= names
    assert not {"mypy", "playwright", "jupyterlab"} & names


@pytest.mark.alone  # its parts have limits of seconds
@pytest.mark.slow
def test_it_runs_on_a_cpu_and_prints_its_table(tmp_path: Path) -> None:
    argv = [sys.executable, str(BENCHMARKS / "gpu.py"), "--out", str(tmp_path), "--seconds", "2"]
    only = "data,campaign"  # test_throughput and test_doctor have the others
    done = subprocess.run([*argv, "--only", only], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for part_name in only.split(","):
        assert f"| **{part_name}** | **ok** |" in done.stdout
    assert "val_bpb" in done.stdout
    assert (tmp_path / "report.md").read_text() in done.stdout
    with tarfile.open(tmp_path / "everything.tar.gz") as archive:
        assert {"campaign.log", "report.md", "campaign/.git/HEAD"} <= set(archive.getnames())
