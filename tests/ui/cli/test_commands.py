"""The commands: what they print of a campaign, and how they steer a real one."""

import json
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.records import Request, Stage
from autoresearch_kit.ui import cli
from tests.campaign import made_up_runs, tiny
from tests.campaign.waiting import Condition, wait_for

ONCE = ["--rule", "greedy", "--max-elsewhere", "1", "--clock", "wall"]
"""One run an experiment, whatever else the machine does, and no longer beside other tests."""

AUTORESEARCH = [sys.executable, "-c", "from autoresearch_kit.ui import cli; cli.main()"]


def autoresearch(root: Path, *argv: str, error: str = "") -> str:
    """Return what `autoresearch ARGV` prints on stdout; it must end with `error`, if any."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        patch.chdir(root)
        patch.setattr(sys, "argv", ["autoresearch", *argv])
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert error in str(end.value.code or "")
    assert error or not end.value.code
    return out.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project with a campaign that has tried one experiment, in made-up runs."""
    root = tiny.make_project(tmp_path_factory.mktemp("typed") / "project")
    made_up_runs.run(root, 1)
    return root


def test_status_is_readable_by_a_program(root: Path) -> None:
    [night] = json.loads(autoresearch(root, "status", "--json"))
    assert (night["tag"], night["experiments"], night["running"]) == ("night", 1, False)
    assert night["disk_kb_per_experiment"] > 1


def test_history_is_lines_records_or_upstreams_table(root: Path) -> None:
    lines = autoresearch(root, "history", "night").splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1"]
    records = json.loads(autoresearch(root, "history", "night", "--json"))
    assert [record["proposal"]["number"] for record in records] == [0, 1]
    table = autoresearch(root, "history", "night", "--tsv").splitlines()
    assert table[0] == "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
    assert len(table) == 3


def test_show_prints_the_idea_and_the_diff(root: Path) -> None:
    said = autoresearch(root, "show", "night", "1")
    assert "idea " in said
    assert "config (changed)" in said
    autoresearch(
        root, "show", "night", "7", error="no experiment 7 in campaign 'night'; there: 0 to 1"
    )


def test_another_budget_is_refused(root: Path) -> None:
    error = "was started with --train-seconds 1.0"
    autoresearch(root, "run", "night", "--train-seconds", "9", error=error)


def test_plot_says_where_there_is_no_front(root: Path) -> None:
    error = "night has one objective, val_bpb: its front is its best"
    autoresearch(root, "plot", "night", "--front", error=error)


def test_plot_draws_a_picture(root: Path) -> None:
    path = Path(autoresearch(root, "plot", "night").strip())
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_campaign_travels_to_other_clones(root: Path, tmp_path: Path) -> None:
    file, remote = tmp_path / "night.bundle", tmp_path / "remote.git"
    autoresearch(root, "bundle", "night", "-o", str(file))
    tiny.git(tmp_path, "init", "-q", "--bare", str(remote))
    autoresearch(root, "push", "night", "--remote", str(remote))
    clone = tmp_path / "clone"
    tiny.git(tmp_path, "clone", "-q", str(root), str(clone))
    for source in (file, remote):
        assert autoresearch(clone, "fetch", "--remote", str(source)) == "here now: night\n"
        theirs, ours = (autoresearch(each, "history", "night") for each in (clone, root))
        assert theirs == ours
        autoresearch(clone, "delete", "night", "--yes")
        assert "no campaigns yet" in autoresearch(clone, "status")


def at(stage: Stage, number: int) -> Condition:
    """Return a test for a campaign that is at `stage` of experiment `number`."""

    def seen(workspace: Workspace) -> bool:
        state = workspace.state()
        return state is not None and (state.stage, state.number) == (stage, number)

    return seen


@pytest.mark.slow
def test_pause_resume_and_ctrl_c(root: Path, corpus: Path) -> None:
    argv = [*AUTORESEARCH, "run", "day", "--dataset", str(corpus), "--train-seconds", "1", *ONCE]
    workspace = Workspace(root, "day")
    with subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE) as follower:
        assert follower.stdout is not None
        wait_for(at(Stage.RUNNING, 0), workspace, follower)
        autoresearch(root, "pause", "day")
        wait_for(at(Stage.PAUSED, 0), workspace, follower)
        assert "paused" in autoresearch(root, "status", "day")
        autoresearch(root, "resume", "day")
        wait_for(at(Stage.RUNNING, 1), workspace, follower)
        follower.send_signal(signal.SIGINT)
        assert any(b"Ctrl-C again" in line for line in follower.stdout)
        follower.send_signal(signal.SIGINT)
        assert b"stopped at once" in follower.stdout.read()
    assert "ended" in autoresearch(root, "status", "day")


@pytest.mark.parametrize(
    ("option", "request_"), [([], Request.STOP), (["--now"], Request.STOP_NOW)]
)
def test_stop_asks_the_campaign(root: Path, option: list[str], request_: Request) -> None:
    workspace = Workspace(root, "night")
    with workspace.lock():
        autoresearch(root, "stop", "night", *option)
        assert workspace.request() is request_
