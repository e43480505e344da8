from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.ledger import History
from autoresearch_kit.records import Experiment, Noise, Verdict
from tests.ledger.ledger import experiment, git, project, repeated


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "project")


def trailers(root: Path, commit: str) -> dict[str, str]:
    """Return the trailers that git itself reads."""
    text = git(root, "log", "-1", "--format=%(trailers:only,unfold)", commit)
    return dict(line.split(": ", 1) for line in text.splitlines() if line)


def append(root: Path, made: Experiment) -> str:
    return History(root, made.tag).append(made, "", {}).code_commit


def test_git_log_shows_idea_hypothesis_and_trailers(root: Path) -> None:
    commit = append(root, experiment(0))
    assert git(root, "log", "-1", "--format=%B", commit).strip().splitlines() == [
        "MATRIX_LR 0.04 -> 0.057",
        "",
        "a higher rate learns faster",
        "",
        "Experiment: 0",
        "Tag: night",
        "Status: keep",
        "Reason: baseline",
        "Val-bpb: 1.500000",
        "Researcher: optuna",
        "Train-seconds: 300.0",
        "Kit-version: 0.1.0",
    ]


def test_a_score_has_its_error_in_a_trailer_of_its_own(root: Path) -> None:
    made = repeated(experiment(0), 1.5, 1.4, noise=Noise(0.01, 5.0))
    found = trailers(root, append(root, made))
    assert (found["Val-bpb"], found["Val-bpb-error"]) == ("1.450000", "0.007071")
    assert found["Train-seconds"] == "600.0"


NASTY = [
    "",
    " ",
    "two\nlines",
    "Status: keep\n\nStatus: keep",
    "a\x00b",
    "\x1b[31mred\x7f\x85",
    "word " * 2000,
    "x" * 10_000,
    "\U0001f680 to the \U0001f469‍\U0001f680",
    "# a comment",
    "#",
    "-x",
    "---",
    "--- a/train.ipynb\n+++ b",
    "\u2028",
    "(cherry picked from commit 0123)",
    "Signed-off-by: me",
]


@pytest.mark.parametrize("text", NASTY)
def test_no_text_of_a_researcher_spoils_the_trailers(root: Path, text: str) -> None:
    history = History(root, "night")
    history.append(experiment(0), "", {})
    made = experiment(1, None, Verdict.CRASH, idea=text, hypothesis=text)
    researcher = text.encode(errors="replace").decode()
    proposal = replace(made.proposal, researcher=researcher, category=researcher)
    entry = history.append(replace(made, proposal=proposal, detail=researcher), "", {})
    for commit in (entry.code_commit, entry.record_commit):
        found = trailers(root, commit)
        assert (found["Experiment"], found["Status"], found["Parent"]) == ("1", "crash", "0")
        assert "Val-bpb" not in found
        assert all(found.values())


@pytest.mark.parametrize("text", NASTY)
def test_the_subject_is_a_short_line(root: Path, text: str) -> None:
    commit = append(root, experiment(0, idea=text))
    subject = git(root, "log", "-1", "--format=%s", commit).removesuffix("\n")
    assert subject.strip()
    assert len(subject) <= 121
    assert subject.replace("‍", "").isprintable()
