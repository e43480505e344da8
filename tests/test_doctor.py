from pathlib import Path

import pytest

from autoresearch_kit import doctor, machine
from autoresearch_kit.execution import sandbox
from autoresearch_kit.records import Accelerator, Machine

GIT_OLD = "#!/bin/sh\necho git version 2.30.2\n"


def gaps(folder: Path) -> dict[str, str]:
    return {finding.what: finding.advice for finding in doctor.examine(folder) if finding.advice}


def test_a_project_can_be_used(project: Path) -> None:
    assert "project" not in gaps(project)


def test_a_folder_without_a_repository_is_a_gap(tmp_path: Path) -> None:
    assert "git init" in gaps(tmp_path)["project"]


def test_no_corpus_is_a_gap(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTORESEARCH_DATA", str(tmp_path / "empty"))
    assert "autoresearch prepare stdlib" in gaps(project)["corpora"]


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
    monkeypatch.setattr(sandbox, "why_not", lambda: gap)
    found = next(one for one in doctor.examine(tmp_path) if one.what == "sandbox")
    assert covered in found.found
    assert "Not covered:" in found.found
    assert advice in found.advice


def test_an_old_git_is_a_gap(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "git"
    script.write_text(GIT_OLD)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert "2.36" in gaps(project)["git"]


def test_a_profile_that_never_ran_on_such_a_machine_is_said_to_be_untested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Accelerator("cuda", (7, 5), 15_800)
    probed = Machine("T4", True, "float16", True, 2, 13_000, "2.13", "3.11", "Linux", gpu)
    monkeypatch.setattr(machine, "probe", lambda: probed)
    found = next(one for one in doctor.examine(tmp_path) if one.what == "profile")
    assert found.found.startswith("t4: ")
    assert "untested" in found.found
    assert "--max-experiments 1" in found.advice
