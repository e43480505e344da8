from pathlib import Path

import pytest

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.ledger import History, campaigns
from autoresearch_kit.ledger.sharing import bundle, fetch, push
from autoresearch_kit.records import Verdict
from tests.ledger.ledger import add, git, init


@pytest.fixture
def history(root: Path) -> History:
    """Make three experiments; the last is the best."""
    made = History(root, "night")
    for number in range(3):
        add(made, number, 1.5 - number / 10)
    return made


@pytest.fixture
def remote(root: Path, tmp_path: Path) -> Path:
    """Make a bare repository, the project's `origin`."""
    bare = init(tmp_path / "bare.git", "--bare")
    git(root, "remote", "add", "origin", str(bare))
    return bare


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Make somebody else's empty repository."""
    return init(tmp_path / "other")


def test_a_pushed_campaign_can_be_fetched(history: History, remote: Path, other: Path) -> None:
    push(history.root, "night", "origin")
    assert fetch(other, None, str(remote)) == ["night"]
    assert History(other, "night").entries() == history.entries()


def test_only_the_named_campaign_is_pushed(history: History, remote: Path, other: Path) -> None:
    add(History(history.root, "day"), 0)
    push(history.root, "day", "origin")
    assert campaigns(remote) == ["day"]
    push(history.root, "night", "origin")
    fetch(other, "night", str(remote))
    assert campaigns(other) == ["night"]


def test_pushing_again_sends_what_is_new(history: History, remote: Path) -> None:
    assert push(history.root, "night", "origin") == 3
    add(history, 3, 1.6, Verdict.DISCARD)
    assert push(history.root, "night", "origin") == 1
    assert push(history.root, "night", "origin") == 0


def test_push_never_overwrites_an_experiment(history: History, remote: Path, other: Path) -> None:
    add(History(other, "night"), 0, 9.0)
    push(other, "night", str(remote))
    with pytest.raises(LedgerError, match="refs/autoresearch/night/0000 is a different experiment"):
        push(history.root, "night", "origin")
    assert [e.score for e in History(remote, "night").experiments()] == [9.0]


def test_fetch_never_overwrites_an_experiment(history: History, other: Path) -> None:
    own = add(History(other, "night"), 0, 9.0)
    with pytest.raises(LedgerError, match="none is ever overwritten"):
        fetch(other, "night", str(history.root))
    assert History(other, "night").entries() == [own]


def test_push_never_overwrites_a_branch(history: History, remote: Path) -> None:
    theirs = git(history.root, "commit-tree", "-m", "Theirs", "HEAD^{tree}").strip()
    git(history.root, "push", "-q", "origin", f"{theirs}:refs/heads/autoresearch/night")
    with pytest.raises(LedgerError, match="git push"):
        push(history.root, "night", "origin")
    assert git(remote, "rev-parse", "autoresearch/night").strip() == theirs


def test_one_file_holds_a_campaign(
    history: History, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle(history.root, "night", Path("night.bundle"))
    assert fetch(other, None, "night.bundle") == ["night"]
    assert History(other, "night").entries() == history.entries()
    with pytest.raises(LedgerError, match="git bundle"):
        bundle(history.root, "night", tmp_path / "nowhere" / "night.bundle")


def test_an_unknown_campaign_is_refused(history: History, other: Path) -> None:
    here = r"no campaign 'day' in .*; there: night"
    with pytest.raises(LedgerError, match=here):
        push(history.root, "day", "origin")
    with pytest.raises(LedgerError, match=here):
        bundle(history.root, "day", Path("day.bundle"))
    with pytest.raises(LedgerError, match=r"no campaign 'day' at .*; there: night"):
        fetch(other, "day", str(history.root))


@pytest.mark.parametrize(
    ("remote", "words"),
    [
        ("nowhere", "no file, folder or remote 'nowhere'; remotes: none"),
        ("--upload-pack=touch hacked", "no file, folder or remote '--upload-pack=touch hacked'"),
        ("ext::touch hacked", "git ls-remote: fatal: "),
    ],
)
def test_an_unknown_remote_is_an_error(history: History, remote: str, words: str) -> None:
    with pytest.raises(LedgerError, match=words):
        push(history.root, "night", remote)
    assert not (history.root / "hacked").exists()
