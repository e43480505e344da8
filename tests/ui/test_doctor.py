"""The doctor names what is missing on a machine, and the way out."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Accelerator, Machine
from autoresearch_kit.ui import doctor
from tests import claims

CPU = Machine("A CPU", False, "float32", True, 2, 16_000, "2.13", "3.11", "Linux")
T4 = Accelerator("cuda", (7, 5), 15_800)


@pytest.fixture(autouse=True)
def _nothing_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no data set that runs' files would be searched for, which takes seconds."""
    monkeypatch.setenv("AUTORESEARCH_DATA", str(tmp_path / "data"))


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Return a machine that was probed: tests of what is no hardware need not load torch twice."""
    pretend(monkeypatch, CPU)


def pretend(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    monkeypatch.setattr(machine_probe, "probe_all", lambda: (machine,))
    monkeypatch.setattr(machine_probe, "probe_inside", lambda *_, **__: machine)


def examine(folder: Path) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine(folder)}


@pytest.mark.usefixtures("probed")
def test_a_missing_repository_or_corpus_is_a_gap(project: Path, tmp_path: Path) -> None:
    assert examine(project)["project"].advice == ""
    assert "autoresearch prepare stdlib" in examine(project)["corpora"].advice
    assert "git init" in examine(tmp_path)["project"].advice


@pytest.mark.usefixtures("probed")
def test_it_says_how_much_prepared_copies_of_tasks_take(project: Path, tmp_path: Path) -> None:
    assert "tasks" not in examine(project)
    for name in ("toy-1", "toy-2"):
        copy = tmp_path / "data" / name
        copy.mkdir(parents=True)
        (copy / "task.json").write_bytes(b" " * 3_000_000)
    found = examine(project)["tasks"].found
    assert found.startswith(f"2 prepared copies, 6 MB in {tmp_path / 'data'}; remove any while no")


@pytest.mark.usefixtures("probed")
@pytest.mark.parametrize(
    ("gap", "covered", "advice"),
    [
        ("", "no network, no home", ""),
        ("bubblewrap is not installed", "runs as you. Covered: keys", "--sandbox require"),
    ],
)
def test_it_says_what_the_sandbox_covers(
    gap: str, covered: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "why_not", lambda: gap)
    sandbox = examine(tmp_path)["sandbox"]
    assert covered in sandbox.found
    assert "Not covered:" in sandbox.found
    assert advice in sandbox.advice


@pytest.mark.usefixtures("probed")
def test_an_old_git_is_a_gap(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "git"
    script.write_text("#!/bin/sh\necho git version 2.30.2\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert "2.36" in examine(project)["git"].advice


def test_a_gpu_that_runs_would_not_see_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims.claim_gpu_outside(tmp_path / "outside", monkeypatch)
    findings = examine(tmp_path)
    assert "runs would not begin" in findings["device"].found
    said = f"outside of the sandbox torch uses the GPU {claims.NAME}, but runs see"
    assert said in findings["device"].advice
    in_runs = machine_probe.probe_inside(None, bubblewrap.level())
    assert findings["precision"].found == in_runs.precision


def test_each_gpu_has_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [
        replace(CPU, device=f"card {at}", accelerator=True, gpu=replace(T4, uuid=f"GPU-{at}"))
        for at in range(2)
    ]
    monkeypatch.setattr(machine_probe, "probe_all", lambda: tuple(cards))
    monkeypatch.setattr(
        machine_probe, "probe_inside", lambda gpu, *_, **__: cards[int(gpu.uuid[-1])]
    )
    findings = examine(tmp_path)
    assert [findings[name].found for name in ("device", "device 1")] == [
        "GPU: card 0",
        "GPU: card 1",
    ]


def test_an_untested_profile_is_mentioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine("T4", True, "float16", True, 2, 13_000, "2.13", "3.11", "Linux", T4)
    pretend(monkeypatch, machine)
    profile = examine(tmp_path)["profile"]
    assert profile.found.startswith("t4: ")
    assert "untested" in profile.found
    assert "--max-experiments 1" in profile.advice
