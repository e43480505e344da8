import random
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.ledger import History, campaigns, find_root, valid_tag
from autoresearch_kit.machine.profiles import SMALL_NOTEBOOK
from autoresearch_kit.records import Verdict
from tests.ledger.ledger import add, experiment, git, project


@pytest.mark.parametrize("tag", ["mar8", "2026-03-08", "a", "lr_sweep.2", "A" * 50])
def test_a_plain_word_is_a_tag(tag: str) -> None:
    assert valid_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    ["", "../x", "--all", "a/b", ".x", "x.", "a..b", "x.lock", "a b", "x\n", "@{", "é", "x" * 51],
)
def test_a_name_unsafe_for_git_or_paths_is_no_tag(tag: str) -> None:
    with pytest.raises(InputError, match="allowed: up to 50 letters") as refused:
        History(Path(), tag)
    assert repr(tag) in str(refused.value)


def test_an_empty_campaign_has_no_experiments(history: History) -> None:
    assert (history.entries(), history.best(), history.next_number()) == ([], None, 0)
    assert history.disk_bytes() == 0


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Make a campaign of two keeps, a discard and a crash, for tests that only read."""
    made = History(project(tmp_path_factory.mktemp("read") / "project"), "night")
    written = [
        add(made, 0),
        add(made, 1, 1.4),
        add(made, 2, 1.3, Verdict.DISCARD),
        add(made, 3, None, Verdict.CRASH),
    ]
    assert made.entries() == written
    return made


def test_known_entries_are_not_read_again(
    night: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = night.entries()
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(trace))
    assert night.entries(dict(enumerate(entries))) == entries
    assert trace.read_text().count("built-in: git") == 1
    assert night.next_number() == 4


def test_a_known_entry_that_was_replaced_is_read_again(night: History) -> None:
    entries = night.entries()
    other = replace(entries[1], record_commit=entries[0].record_commit)
    assert night.entries({1: other}) == entries


def test_all_experiments_are_read_by_two_git_processes(
    night: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(trace))
    assert [experiment.number for experiment in night.experiments()] == [0, 1, 2, 3]
    assert trace.read_text().count("built-in: git") == 2


def test_the_best_is_the_latest_keep(night: History) -> None:
    assert night.best() == night.entries()[1]


def test_an_experiment_has_its_notebook_record_and_files(night: History) -> None:
    assert night.source(1) == "notebook 1\n"
    assert night.file(0, "metrics.jsonl") == b'{"step": 1}\n'
    assert b'"value": 1.5' in night.file(0, "record.json")


def test_an_unknown_experiment_or_file_is_refused(night: History) -> None:
    with pytest.raises(LedgerError, match="no experiment 7 in campaign 'night'; there: 0 to 3"):
        night.source(7)
    with pytest.raises(LedgerError, match=r"no file 'experiments/night/0000/nothing\.txt'"):
        night.file(0, "nothing.txt")


def test_code_commits_follow_parents_and_change_only_the_notebook(night: History) -> None:
    zero, second, *_ = (entry.code_commit for entry in night.entries())
    assert git(night.root, "rev-parse", f"{second}^").strip() == zero
    assert git(night.root, "rev-parse", f"{zero}^") == git(night.root, "rev-parse", "HEAD")
    assert git(night.root, "diff", "--name-only", "HEAD", second) == f"{SMALL_NOTEBOOK}\n"


def test_the_record_commit_adds_only_the_experiments_folder(night: History) -> None:
    entry = night.entries()[0]
    added = git(night.root, "diff", "--name-status", entry.code_commit, entry.record_commit)
    folder = "experiments/night/0000"
    assert added == f"A\t{folder}/metrics.jsonl\nA\t{folder}/record.json\n"


def test_line_ends_and_letters_stay_as_they_are(history: History) -> None:
    git(history.root, "config", "core.autocrlf", "true")
    (history.root / ".gitattributes").write_text("*.ipynb text eol=crlf\n")
    history.append(experiment(0), "a\r\nb\né\n", {})
    assert history.source(0) == "a\r\nb\né\n"


def test_an_experiment_that_does_not_fit_is_refused(history: History) -> None:
    with pytest.raises(InputError, match="as a file name"):
        history.append(experiment(0), "", {"../../../README.md": b"gone"})
    with pytest.raises(LedgerError, match="no experiment 3 in campaign 'night'; there: none yet"):
        history.append(experiment(4, parent=3), "", {})
    with pytest.raises(LedgerError, match="'day' can't go into 'night'"):
        history.append(experiment(0, tag="day"), "", {})
    assert history.entries() == []


def test_a_number_is_given_only_once(history: History) -> None:
    first = add(history, 0)
    with pytest.raises(LedgerError, match="exists already"):
        add(history, 0, 1.2)
    assert history.entries() == [first]


def test_a_campaign_changes_the_notebook_it_began_with(history: History) -> None:
    made = experiment(0)
    made = replace(made, settings=replace(made.settings, notebook="mine.ipynb"))
    code = history.append(made, "mine\n", {}).code_commit
    assert git(history.root, "diff", "--name-only", "HEAD", code) == "mine.ipynb\n"
    assert history.source(0) == "mine\n"


def test_the_branch_is_a_clean_series_of_keeps(history: History) -> None:
    add(history, 0)
    add(history, 1, 1.6, Verdict.DISCARD)
    history.append(experiment(2, 1.4, idea="wider"), "wide\n", {})
    history.append(experiment(3, 1.3, idea="deeper", parent=2), "deep\n", {})
    add(history, 4, 1.6, Verdict.DISCARD)
    subjects = git(history.root, "log", "--format=%s", "autoresearch/night").splitlines()
    assert subjects == ["deeper", "wider", "MATRIX_LR 0.04 -> 0.057", "Begin"]


def test_campaigns_do_not_see_each_other(history: History) -> None:
    add(history, 0)
    add(History(history.root, "night2"), 0, 1.1)
    assert [experiment.score for experiment in history.experiments()] == [1.5]
    assert campaigns(history.root) == ["night", "night2"]


def test_a_foreign_ref_is_named(history: History) -> None:
    git(history.root, "update-ref", "refs/autoresearch/night/0000", "HEAD")
    with pytest.raises(LedgerError, match="git show refs/autoresearch/night/0000"):
        history.entries()


def test_a_wrong_record_says_what_is_wrong(history: History) -> None:
    root, entry = history.root, add(history, 0)
    git(root, "checkout", "-q", entry.record_commit)
    record = root / "experiments" / "night" / "0000" / "record.json"
    record.write_text(record.read_text().replace('"nodes"', '"knots"'))
    git(root, "commit", "-q", "--amend", "-a", "-m", "Spoil")
    git(root, "update-ref", "refs/autoresearch/night/0000", "HEAD")
    wrong = r"of refs/autoresearch/night/0000 can't be read: .*nodes"
    with pytest.raises(LedgerError, match=wrong):
        history.entries()


def test_disk_bytes_are_those_of_the_campaign(history: History) -> None:
    (history.root / "weights.bin").write_bytes(random.randbytes(1_000_000))
    git(history.root, "add", "weights.bin")
    git(history.root, "commit", "-q", "-m", "Weigh")
    add(history, 0)
    assert 0 < history.disk_bytes() < 10_000


def test_the_root_is_that_of_a_subfolders_checkout(root: Path) -> None:
    assert find_root(root / "notebooks") == root
