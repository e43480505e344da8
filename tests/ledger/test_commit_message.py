from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.ledger import History
from autoresearch_kit.records import Noise, Score, Verdict
from tests.ledger.ledger import experiment, git, repeated


def trailers(root: Path, commit: str) -> dict[str, str]:
    """Return the trailers that git itself reads."""
    text = git(root, "log", "-1", "--format=%(trailers:only,unfold)", commit)
    return dict(line.split(": ", 1) for line in text.splitlines() if line)


def test_git_log_shows_idea_hypothesis_and_trailers(history: History) -> None:
    commit = history.append(experiment(0), "", {}).code_commit
    assert git(history.root, "log", "-1", "--format=%B", commit).strip().splitlines() == [
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


def test_score_and_error_have_a_trailer_each(history: History) -> None:
    made = repeated(experiment(0), 1.5, 1.4, noise=Noise(0.01, 5.0))
    read = trailers(history.root, history.append(made, "", {}).code_commit)
    assert (read["Val-bpb"], read["Val-bpb-error"]) == ("1.450000", "0.007071")
    assert read["Train-seconds"] == "600.0"


def test_a_metric_takes_no_other_trailers_name(history: History) -> None:
    made = experiment(0)
    score = Score("status", 0.5)
    made = replace(made, runs=(replace(made.runs[0], score=score),))
    read = trailers(history.root, history.append(made, "", {}).code_commit)
    assert (read["Status"], read["Status-measured"]) == ("keep", "0.500000")


@pytest.mark.parametrize(
    "text",
    [
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
    ],
)
def test_no_text_of_a_researcher_spoils_the_message(history: History, text: str) -> None:
    history.append(experiment(0), "", {})
    made = experiment(1, None, Verdict.CRASH, idea=text, hypothesis=text)
    name = text.encode(errors="replace").decode()
    proposal = replace(made.proposal, researcher=name, category=name)
    entry = history.append(replace(made, proposal=proposal, detail=name), "", {})
    for commit in (entry.code_commit, entry.record_commit):
        read = trailers(history.root, commit)
        assert (read["Experiment"], read["Status"], read["Parent"]) == ("1", "crash", "0")
        assert "Val-bpb" not in read
        assert all(read.values())
    subject = git(history.root, "log", "-1", "--format=%s", entry.code_commit).removesuffix("\n")
    assert subject.strip()
    assert len(subject) <= 121
    assert subject.replace("‍", "").isprintable()
