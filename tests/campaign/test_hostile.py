"""A real campaign whose experiments leave in their folders what no honest one does.

Each is one notebook with many kinds of it; none ends the campaign, or changes what it finds.
"""

import inspect
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.options import settle
from autoresearch_kit.errors import LedgerError
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import CellEdit, EditAction, Experiment, Limits, Proposal, Reason
from tests.campaign import scripted, tiny
from tests.campaign.test_campaign import left_running
from tests.execution import litter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not()),
]

LITTER = f"""
import os, socket, stat
from contextlib import suppress
from pathlib import Path
from ipykernel.connect import get_connection_file

{inspect.getsource(litter.strange)}

{inspect.getsource(litter.deep)}

work, home, cache = Path.cwd(), Path(os.environ["HOME"]), Path("cache")
sockets = Path(get_connection_file()).parent
cache.mkdir(exist_ok=True)
places = (work, home, sockets, cache)
"""

STRANGE = """
for place in places:
    strange(place / "strange")
    (place / "strange" / "*-folder").chmod(0o700)  # or it could not be counted
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
for place in places:
    deep(place / "deep")
Path("home/unreadable").mkdir(mode=0)
time.sleep(60)
"""

MILLION = """
here = os.open(".", os.O_RDONLY)
for number in range(10**6):
    os.close(os.open(str(number), os.O_CREAT, dir_fd=here))
"""

OTHER = "0123456789abcdef"
"""The code of another experiment, which has something in its cache."""


@dataclass(frozen=True)
class Night:
    """A campaign that is over, and what it tried."""

    campaign: Campaign
    tried: list[Experiment]


def hostile(number: int, source: str) -> Proposal:
    edit = CellEdit(EditAction.REPLACE, "train", source)
    return Proposal(number, 0, "model", f"hostile {number}", "", edits=(edit,))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Night:
    root = scripted.make_project(tmp_path_factory.mktemp("hostile") / "project")
    wishes = tiny.wishes(corpus, scripted.TRAIN_SECONDS)
    campaign = Campaign("night", settle(root, "night", wishes), root=root)
    stolen = campaign.workspace.compile_cache / OTHER
    (stolen / "ab").mkdir(parents=True)
    (stolen / "ab" / "stolen.py").write_text("code")
    steals = {"stolen": str(stolen)}
    sources = [
        f"{scripted.TRAIN}\n{LITTER}\n{STRANGE.format(**steals)}",
        f"{scripted.TRAIN}\n{LITTER}\n{STOLEN_CACHE.format(**steals)}",
        f"import time\n{LITTER}\n{DEEP}",
        f"{LITTER}\n{MILLION}",
        f"{scripted.TRAIN}\nprint('an honest one')",
    ]
    experiments = campaign.run(Limits(experiments=len(sources)))
    tried = [next(experiments)]
    for number, source in enumerate(sources, start=1):
        campaign.workspace.write_pending(hostile(number, source))
        tried.append(next(experiments))
    experiments.close()
    return Night(campaign, tried)


def test_each_ends_for_its_own_reason(night: Night) -> None:
    reasons = [one.reason for one in night.tried[2:5]]
    assert reasons == [Reason.BAD_SUBMISSION, Reason.OUT_OF_DISK, Reason.OUT_OF_DISK]
    details = [one.detail for one in night.tried[2:5]]
    assert "submission.pkl is a link" in details[0]
    assert "can't be counted: " in details[1]
    assert details[2] == "more than 100,000 files written"


def test_what_lies_beside_a_model_costs_no_score(night: Night) -> None:
    scored = [one.number for one in night.tried if one.score is not None]
    assert scored == [0, 1, 5]


def test_a_loss_curve_is_recorded_if_it_is_one(night: Night) -> None:
    for number in (0, 5):
        assert b'"loss"' in night.campaign.history.file(number, handover.METRICS_FILE)
    for number in (1, 2):
        with pytest.raises(LedgerError):
            night.campaign.history.file(number, handover.METRICS_FILE)


def test_nobody_gets_anothers_cache(night: Night) -> None:
    cache = night.campaign.workspace.compile_cache
    assert [path.parts[-3] for path in cache.rglob("stolen.py")] == [OTHER]


def test_nothing_is_left_of_any(night: Night) -> None:
    workspace = night.campaign.workspace
    assert list(workspace.runs.iterdir()) == []
    assert left_running(night.campaign.root) == []
    places = [workspace.runs / f"run-{number}" for number in range(1, 20)]
    sockets = [reap.socket_folder(workspace.run_id(place)) for place in places]
    assert [folder for folder in sockets if folder.exists()] == []
