"""Copies and notices never delay a campaign, never end it, and keep secrets."""

import logging
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign import notify
from autoresearch_kit.campaign.background import CopiesAndNotices, settle_destinations
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.errors import InputError, NotifyError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Destinations, Experiment, Limits, Stage, Verdict
from autoresearch_kit.tasks.lm.prepare import prepare
from tests.ledger import ledger
from tests.researchers.llm.night import make_night
from tests.researchers.llm.server import Answer, ChatServer

SECRET = "T0/B0/plantedsecret"


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    """Run a webhook that accepts every notice."""
    with ChatServer(lambda _: Answer()) as running:
        yield running


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Make a campaign's folder, without a history."""
    made = Workspace(tmp_path, "night")
    made.create()
    return made


@pytest.fixture
def hooked(workspace: Workspace, chat: ChatServer) -> Workspace:
    """Make a campaign's folder whose notices go to the webhook."""
    workspace.write_destinations(Destinations(webhook=hook(chat)))
    return workspace


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Make the folder that copies go to."""
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


@pytest.fixture
def copied(tmp_path: Path, corpus: Path, disk: Path) -> Workspace:
    """Make a campaign of four experiments on a prepared corpus, copied to the disk."""
    made = Workspace(make_night(tmp_path / "project").history.root, "night")
    made.create()
    prepare(str(corpus))
    made.write_settings(replace(ledger.SETTINGS, dataset=str(corpus)))
    made.write_destinations(Destinations(copy_to=str(disk)))
    return made


def hook(chat: ChatServer) -> str:
    return f"{chat.url}/{SECRET}"


def texts(chat: ChatServer) -> list[object]:
    return [body["text"] for body in chat.bodies]


def series(*verdicts: Verdict) -> list[Experiment]:
    """Return a baseline, then experiments with these verdicts."""
    later = [ledger.experiment(at, 1.4, verdict) for at, verdict in enumerate(verdicts, 1)]
    return [ledger.experiment(0), *later]


def end(workspace: Workspace, runner: CopiesAndNotices) -> None:
    """End the campaign; what was under way is done when this returns."""
    Heartbeat(workspace, Limits()).stage(Stage.ENDED, "done")
    runner.campaign_ended()


def copy_and_notify(workspace: Workspace, experiments: Sequence[Experiment] = ()) -> None:
    """Copy and notify after some experiments and at the end."""
    runner = CopiesAndNotices(workspace)
    runner.experiment_recorded(experiments or series(Verdict.KEEP))
    end(workspace, runner)


# Notices


def test_the_last_notice_says_why_and_with_which_result(
    hooked: Workspace, chat: ChatServer
) -> None:
    copy_and_notify(hooked, series(Verdict.KEEP, Verdict.CRASH))
    [(headers, body)] = chat.requests
    assert headers["Content-Type"] == "application/json"
    assert body.keys() == {"text"}
    assert str(body["text"]).startswith("'night' ended: done. 2 tried, 1 kept, 1 crashed; val_bpb")


def test_a_plateau_is_reported_once(hooked: Workspace, chat: ChatServer) -> None:
    runner, night = CopiesAndNotices(hooked), series(Verdict.KEEP, *[Verdict.DISCARD] * 15)
    for count in range(1, len(night) + 1):
        runner.experiment_recorded(night[:count])
    end(hooked, runner)
    [told] = [text for text in texts(chat) if "plateau" in str(text)]
    assert "the best is still experiment 1" in str(told)


def test_destinations_may_change_while_the_campaign_runs(
    workspace: Workspace, chat: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    runner = CopiesAndNotices(workspace)
    (workspace.folder / "destinations.json").write_text('{"copy_to": 1}')
    with caplog.at_level(logging.INFO):
        runner.fallback_used("first trouble")  # without a webhook it is logged
    assert "destinations.json can't be read" in caplog.text
    assert "notice: 'night' needs help: optuna proposes, since first trouble" in caplog.text
    workspace.write_destinations(Destinations(webhook=hook(chat)))
    runner.fallback_used("503 from there")
    end(workspace, runner)
    assert texts(chat)[0] == "'night' needs help: optuna proposes, since 503 from there"


def test_a_query_is_sent_and_nobody_is_mentioned(chat: ChatServer) -> None:
    notify.post(f"{hook(chat)}?key=a%2Fb&thread=1", "Boom\n<!channel> & @everyone")
    assert chat.paths == [f"/v1/{SECRET}?key=a%2Fb&thread=1"]
    assert texts(chat) == ["Boom &lt;!channel&gt; &amp; @\u200beveryone"]


def test_a_slow_webhook_delays_nothing_and_is_given_up(
    hooked: Workspace, chat: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    chat.script = lambda _: Answer(wait=answer)
    runner = CopiesAndNotices(hooked)
    runner.fallback_used("503")
    answer.set()  # reached although the notice was not accepted yet
    end(hooked, runner)
    assert len(texts(chat)) == 2
    answer.clear()
    monkeypatch.setattr(notify, "SECONDS", 0.1)
    with pytest.raises(NotifyError, match=r"127\.0\.0\.1 did not take a notice: no answer"):
        notify.post(hook(chat), "hello")
    answer.set()


def test_a_refused_notice_is_logged_without_the_address(
    hooked: Workspace, chat: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    chat.script = lambda _: Answer(404, body=b"no_service")
    with caplog.at_level(logging.DEBUG):
        copy_and_notify(hooked)
    assert "127.0.0.1 did not take a notice: HTTP 404; check its address" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "address", ["ftp://h/s3cret", "s3cret", "http://", "https://[s3cret", "slack://s3cret"]
)
def test_a_wrong_address_is_refused_and_not_repeated(
    workspace: Workspace,
    address: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(InputError, match="--webhook must be") as refused:
        settle_destinations(workspace, webhook=address)
    assert "s3cret" not in str(refused.value) + capsys.readouterr().err + caplog.text


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (f"https://hooks.slack.com/services/{SECRET}", "hooks.slack.com"),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", "tgram"),
        ("ntfy://my-secret-topic", "ntfy"),
    ],
)
def test_an_address_is_accepted_and_its_secret_hidden(address: str, shown: str) -> None:
    assert notify.check_address(address) == address
    assert notify.public_part(address) == shown


def test_an_empty_text_ends_copies_and_none_keeps_them(workspace: Workspace, disk: Path) -> None:
    workspace.write_destinations(Destinations(webhook="https://h/x"))
    both = settle_destinations(workspace, copy_to=str(disk))
    assert both == Destinations(str(disk), "https://h/x")
    workspace.write_destinations(both)
    assert (workspace.folder / "destinations.json").stat().st_mode & 0o777 == 0o600
    assert "https://h/x" not in repr(workspace.destinations())
    assert settle_destinations(workspace, webhook="") == Destinations(str(disk))


# Copies


def test_a_copy_is_complete_and_holds_no_secret(
    copied: Workspace, disk: Path, chat: ChatServer
) -> None:
    copied.write_destinations(Destinations(str(disk), hook(chat)))
    copy_and_notify(copied)
    assert {path.name for path in disk.iterdir()} == {"night.bundle", "night.zip", "_datasets"}
    assert len(list(disk.glob("_datasets/*/dataset.json"))) == 1
    shutil.unpack_archive(disk / "night.zip", disk / "unpacked")
    assert not (disk / "unpacked" / "destinations.json").exists()
    files = [path.read_bytes() for path in disk.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in content for content in files)


def test_a_failed_copy_is_tried_again_and_spoils_none(
    copied: Workspace, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk.rmdir()
    runner = CopiesAndNotices(copied)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            runner.experiment_recorded(series(Verdict.KEEP))
            end(copied, runner)
    assert caplog.text.count("no folder") == 1
    disk.mkdir()
    copy_and_notify(copied)
    good = (disk / "night.bundle").read_bytes()
    shutil.rmtree(copied.root / ".git" / "refs" / "autoresearch")
    copy_and_notify(copied)
    assert (disk / "night.bundle").read_bytes() == good


def test_a_hanging_disk_delays_nothing(
    copied: Workspace, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun, hanging = threading.Event(), threading.Event()
    runner = CopiesAndNotices(copied)

    def hang() -> None:
        begun.set()
        hanging.wait(60)

    runner._copies.do(hang)
    assert begun.wait(60)  # else the first copy finds no room to wait in
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            runner.experiment_recorded(series(Verdict.KEEP))
    assert "takes long; is its disk there?" in caplog.text
    hanging.set()
    end(copied, runner)
    assert (disk / "night.bundle").exists()
