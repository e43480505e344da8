"""A real campaign whose experiments leave in their folders what no honest one does.

Each is one notebook with many kinds of it; none ends the campaign, or changes what it finds.
"""

import inspect
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import LedgerError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import CellEdit, EditAction, Experiment, Limits, Proposal, Reason
from tests.campaign import scripted, tiny
from tests.campaign.test_campaign import left_running
from tests.execution import odd_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not()),
]

LITTER = f"""
import os, socket, stat
from contextlib import suppress
from pathlib import Path
from ipykernel.connect import get_connection_file

{inspect.getsource(odd_files.strange)}

{inspect.getsource(odd_files.deep)}

work, home, cache = Path.cwd(), Path(os.environ["HOME"]), Path("cache")
sockets = Path(get_connection_file()).parent
cache.mkdir(exist_ok=True)
folders = (work, home, sockets, cache)
"""

STRANGE = """
for folder in folders:
    strange(folder / "strange")
    (folder / "strange" / "*-folder").chmod(0o700)  # or it could not be counted
(cache / "triton").symlink_to({stolen!r})
os.remove("metrics.jsonl")
os.symlink("/etc/passwd", "metrics.jsonl")
os.mkfifo("failure.json")
"""

STOLEN_CACHE = """
import shutil
shutil.rmtree(cache)
cache.symlink_to({stolen!r})
os.mkdir("failure.json")
os.remove("metrics.jsonl")
os.mkfifo("metrics.jsonl")
os.symlink("/etc/passwd", "submission.pkl")
Path("submission.json").write_text('{{"steps": 1, "tokens": 1, "compile_seconds": 0}}')
import time
time.sleep(60)
"""

DEEP = """
for folder in folders:
    deep(folder / "deep")
Path("home/unreadable").mkdir(mode=0)
time.sleep(60)
"""

OTHER = "0123456789abcdef"
"""The code of another experiment, which has something in its cache."""


@dataclass(frozen=True)
class Night:
    """A campaign that is over, and its experiments."""

    campaign: Campaign
    experiments: list[Experiment]


def hostile(number: int, source: str) -> Proposal:
    edit = CellEdit(EditAction.REPLACE, "train", source)
    return Proposal(number, 0, "model", f"hostile {number}", "", edits=(edit,))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Night:
    root = scripted.make_project(tmp_path_factory.mktemp("hostile") / "project")
    options = tiny.options(corpus, scripted.TRAIN_SECONDS)
    campaign = Campaign("night", settle(root, "night", options), root=root)
    stolen = campaign.workspace.compile_cache / "cpu0" / OTHER
    (stolen / "ab").mkdir(parents=True)
    (stolen / "ab" / "stolen.py").write_text("code")
    sources = [
        f"{scripted.TRAIN}\n{LITTER}\n{STOLEN_CACHE.format(stolen=str(stolen))}",
        f"import time\n{LITTER}\n{DEEP}",
        f"{scripted.TRAIN}\n{LITTER}\n{STRANGE.format(stolen=str(stolen))}",
    ]
    experiments = campaign.run(Limits(experiments=len(sources)))
    ended = [next(experiments)]
    for number, source in enumerate(sources, start=1):
        campaign.workspace.under_way.write_pending(hostile(number, source))
        ended.append(next(experiments))
    experiments.close()
    return Night(campaign, ended)


def test_each_ends_for_its_own_reason(night: Night) -> None:
    stolen, deep = night.experiments[1:3]
    assert (stolen.reason, deep.reason) == (Reason.BAD_SUBMISSION, Reason.OUT_OF_DISK)
    assert "submission.pkl is a link" in stolen.detail
    assert "can't be counted: " in deep.detail


def test_what_lies_beside_a_model_costs_no_score(night: Night) -> None:
    scored = [each.number for each in night.experiments if each.score is not None]
    assert scored == [0, 3]


def test_a_loss_curve_is_recorded_if_it_is_one(night: Night) -> None:
    assert b'"loss"' in night.campaign.history.file(0, handover.METRICS_FILE)
    for number in (1, 3):
        with pytest.raises(LedgerError):
            night.campaign.history.file(number, handover.METRICS_FILE)


def test_nobody_gets_anothers_cache(night: Night) -> None:
    cache = night.campaign.workspace.compile_cache
    assert [path.parts[-3] for path in cache.rglob("stolen.py")] == [OTHER]


def test_nothing_is_left_of_any(night: Night) -> None:
    workspace = night.campaign.workspace
    assert list(workspace.runs.iterdir()) == []
    assert left_running(night.campaign.root) == []
    runs = [workspace.runs / f"run-{number}" for number in range(1, 20)]
    sockets = [reap.socket_folder(workspace.run_id(run)) for run in runs]
    assert [folder for folder in sockets if folder.exists()] == []
