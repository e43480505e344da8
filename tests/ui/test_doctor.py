from pathlib import Path

import pytest

from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Accelerator, Machine
from autoresearch_kit.ui import doctor
from tests import claims

GIT_OLD = "#!/bin/sh\necho git version 2.30.2\n"


CPU = Machine("A CPU", False, "float32", True, 2, 16_000, "2.13", "3.11", "Linux")


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was probed: tests of what is no hardware need not load torch twice."""
    monkeypatch.setattr(machine_probe, "probe", lambda: CPU)
    monkeypatch.setattr(machine_probe, "probe_inside", lambda *_, **__: CPU)


def gaps(folder: Path) -> dict[str, str]:
    return {finding.what: finding.advice for finding in doctor.examine(folder) if finding.advice}


def test_a_project_can_be_used(project: Path) -> None:
    assert "project" not in gaps(project)


@pytest.mark.usefixtures("probed")
def test_a_folder_without_a_repository_is_a_gap(tmp_path: Path) -> None:
    assert "git init" in gaps(tmp_path)["project"]


@pytest.mark.usefixtures("probed")
def test_no_corpus_is_a_gap(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTORESEARCH_DATA", str(tmp_path / "empty"))
    assert "autoresearch prepare stdlib" in gaps(project)["corpora"]


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
    found = next(one for one in doctor.examine(tmp_path) if one.what == "sandbox")
    assert covered in found.found
    assert "Not covered:" in found.found
    assert advice in found.advice


@pytest.mark.usefixtures("probed")
def test_an_old_git_is_a_gap(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "git"
    script.write_text(GIT_OLD)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert "2.36" in gaps(project)["git"]


def test_a_gpu_that_runs_would_not_see_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims.claim_gpu_outside(tmp_path / "outside", monkeypatch)
    findings = doctor.examine(tmp_path)
    device = next(one for one in findings if one.what == "device")
    assert "runs would not begin" in device.found
    assert f"outside of the sandbox torch uses the GPU {claims.NAME}, but runs see" in device.advice
    assert next(one.found for one in findings if one.what == "precision") == in_runs()


def in_runs() -> str:
    """The precision of a run on the CPU."""
    return machine_probe.probe_inside(None, bubblewrap.level()).precision


def test_an_untested_profile_is_mentioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Accelerator("cuda", (7, 5), 15_800)
    probed = Machine("T4", True, "float16", True, 2, 13_000, "2.13", "3.11", "Linux", gpu)
    monkeypatch.setattr(machine_probe, "probe", lambda: probed)
    monkeypatch.setattr(machine_probe, "probe_inside", lambda *_, **__: probed)
    found = next(one for one in doctor.examine(tmp_path) if one.what == "profile")
    assert found.found.startswith("t4: ")
    assert "untested" in found.found
    assert "--max-experiments 1" in found.advice
