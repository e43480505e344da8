import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.errors import BusyError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Limits, Probe, Proposal, Request
from tests.campaign import tiny
from tests.ledger.ledger import run

HOLD = """
import sys, pathlib
from autoresearch_kit.files.workspace import Workspace
with Workspace(pathlib.Path(sys.argv[1]), "night").lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def workspace(project: Path) -> Workspace:
    place = Workspace(project, "night")
    place.create()
    return place


def test_git_does_not_see_the_folder(workspace: Workspace) -> None:
    assert tiny.git(workspace.root, "status", "--porcelain") == ""


def test_a_second_process_is_told_who_holds_the_campaign(workspace: Workspace) -> None:
    heartbeat = Heartbeat(workspace, Limits())
    argv = [sys.executable, "-c", HOLD, str(workspace.root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BusyError, match=r"being run by process \d+"), workspace.lock():
            pass
        assert workspace.running()
        assert not heartbeat.stop_requested()
        holder.kill()
    assert not workspace.running()


def test_a_holder_that_is_about_to_die_is_waited_for(workspace: Workspace) -> None:
    argv = [sys.executable, "-c", HOLD, str(workspace.root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        threading.Timer(0.2, holder.kill).start()
        with workspace.lock():
            assert workspace.running()


def test_a_proposal_comes_back_as_it_was_written(workspace: Workspace) -> None:
    proposal = Proposal(3, 1, "optuna", "A 1 -> 2", "why", constants={"A": 2, "B": 0.5, "C": "x"})
    workspace.under_way.write_pending(proposal)
    assert workspace.under_way.pending() == [proposal]


def test_a_prepared_proposal_becomes_the_pending_one(workspace: Workspace) -> None:
    prepared = Proposal(5, 1, "llm", "wider", "")
    workspace.under_way.write_prepared(prepared)
    workspace.under_way.take_prepared(5, pending := replace(prepared, number=4, parent=2))
    assert (workspace.under_way.prepared(), workspace.under_way.pending()) == ([], [pending])


def test_a_kill_while_one_is_taken_leaves_it_prepared_under_its_number(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = Proposal(5, 1, "llm", "wider", "")
    workspace.under_way.write_prepared(prepared)
    (workspace.folder / "pending" / "0004.json").mkdir()  # so that the second step fails
    with pytest.raises(OSError, match="0004"):
        workspace.under_way.take_prepared(5, replace(prepared, number=4))
    assert workspace.under_way.prepared() == [prepared]


def test_probes_added_at_once_are_all_written_down(workspace: Workspace) -> None:
    with ThreadPoolExecutor(8) as threads:
        for number in range(24):
            threads.submit(workspace.under_way.add_probe, Probe(number % 2, run(steps=number)))
    assert sorted(probe.run.steps for probe in workspace.under_way.probes()) == list(range(24))


def test_a_request_from_before_this_start_is_forgotten(workspace: Workspace) -> None:
    workspace.write_request(Request.STOP_NOW)
    with workspace.lock():
        assert not Heartbeat(workspace, Limits()).stop_requested()


def test_a_request_made_while_the_process_starts_holds(workspace: Workspace) -> None:
    with workspace.lock():
        workspace.ask(Request.STOP)
        assert Heartbeat(workspace, Limits()).stop_requested()


def test_looking_whether_it_runs_is_in_nobodys_way(workspace: Workspace) -> None:
    over, seen = threading.Event(), list[bool]()

    def look() -> None:
        while not over.is_set():
            seen.append(workspace.running())

    observers = [threading.Thread(target=look) for _ in range(3)]
    try:
        for observer in observers:
            observer.start()
        while len(seen) < 1000:
            over.wait(0.01)
        assert not any(seen)
        for _ in range(100):
            with workspace.lock(patience=0):
                assert workspace.running()
    finally:
        over.set()
        for observer in observers:
            observer.join()


def test_a_lock_handed_over_outlives_who_took_it(workspace: Workspace) -> None:
    held = workspace.take_lock()
    argv = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, pass_fds=(held,)) as holder:
        os.close(held)
        assert workspace.running()
        with pytest.raises(BusyError), workspace.lock(patience=0):
            pass
        holder.kill()
    assert not workspace.running()


def test_the_copy_of_the_package_is_made_once(workspace: Workspace) -> None:
    workspace.copy_kit()
    marker = workspace.kit / "autoresearch_kit" / "__init__.py"
    marker.write_text("changed = True\n")
    workspace.copy_kit()
    assert marker.read_text() == "changed = True\n"
