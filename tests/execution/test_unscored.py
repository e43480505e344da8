"""A run without a score: what it did and said comes back, and nothing is measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.probed import Probed, read_probed
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import ProfileRow, StepProfile
from autoresearch_kit.records.codec import encode
from tests.execution.notebooks import make_spec, notebook
from tests.ledger import ledger
from tests.training.test_kernel import MODEL, SETUP, TRAIN

PROFILE = StepProfile(5, 9.0, 2.0, 3.0, 4.0, False, (ProfileRow("aten::mm", 0.5, 1.0, 2.0),))


def steps_in(tmp_path: Path, profile: bytes) -> StepProfile | None:
    """Return what is read of a folder in which unreviewed code left this profile."""
    (tmp_path / handover.WORK_FOLDER).mkdir()
    (tmp_path / handover.WORK_FOLDER / handover.PROFILE_FILE).write_bytes(profile)
    return read_probed(tmp_path, ledger.run()).steps


@pytest.mark.slow
def test_a_run_without_a_score_tells_its_steps_and_prints(tmp_path: Path) -> None:
    train = f"print('hello from the draft')\n{TRAIN}"
    book = notebook(train, setup=SETUP, model=MODEL, submit="run.submit(model)")
    spec = make_spec(
        tmp_path, book, sandbox=bubblewrap.level(), train_seconds=3.0, compile_seconds=60.0
    )
    run = launch.execute_unscored(replace(spec, profiled=True))
    probed = read_probed(spec.folder, run)
    assert (run.score, run.failure) == (None, None), run.detail
    assert (probed.printed, probed.traceback) == ("[cell train]\nhello from the draft", "")
    assert probed.metrics.startswith(b'{"step": 0')
    assert probed.steps is not None
    assert probed.steps.steps == 5, probed.steps
    assert any(row.name.startswith("aten::embedding") for row in probed.steps.rows)
    assert reap.members(spec.run_id) == []
    assert not spec.compile_cache.exists()


def test_a_run_without_a_score_is_cancelled_at_once(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook("while True: pass"), sandbox=bubblewrap.level())
    with pytest.raises(Cancelled):
        launch.execute_unscored(spec, cancelled=lambda: True)
    assert reap.members(spec.run_id) == []


def test_a_profile_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert steps_in(tmp_path, encode(PROFILE)) == PROFILE


@pytest.mark.parametrize(
    "profile",
    [
        b"",
        b"{}",
        b"\xff",
        encode(replace(PROFILE, typical_ms=1e300)),
        encode(replace(PROFILE, rows=(ProfileRow("x", -1.0, 1.0, 1.0),))),
        encode(replace(PROFILE, rows=(ProfileRow("x" * 70_000, 0.1, 1.0, 1.0),))),
    ],
)
def test_an_invalid_profile_is_none(tmp_path: Path, profile: bytes) -> None:
    assert steps_in(tmp_path, profile) is None


def test_a_profile_of_unreviewed_code_is_bounded(tmp_path: Path) -> None:
    row = ProfileRow("a\nb\x1b[31m" + "c" * 500, 0.1, 1.0, 1.0)
    steps = steps_in(tmp_path, encode(replace(PROFILE, rows=(row,) * 20, trouble="no\n" * 500)))
    assert steps is not None
    assert len(steps.rows) == 10
    assert steps.rows[0].name.startswith("a b [31mc")
    assert (len(steps.rows[0].name), len(steps.trouble)) == (100, 200)


def test_a_run_that_never_began_left_nothing(tmp_path: Path) -> None:
    assert read_probed(tmp_path, ledger.run()) == Probed(ledger.run(), None, "", "", b"")
