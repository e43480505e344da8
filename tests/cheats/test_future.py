"""Models that look ahead get no score, and their honest twins do.

They are trained in this process, by a notebook's cells, and judged for real: pickled, in the
sandbox, by judge and predictors. test_cheats has the rest of a run.
"""

import io
import json
import uuid
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import autoresearch_kit
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Score
from tests.cheats import future
from tests.cheats.ground import Cells, Cheat, make_habits

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not()),
]


VISIBLY = 0.2
"""Nats by which a model that sees its targets is ahead in training."""


@dataclass(frozen=True)
class Judged:
    """The verdict of the judge on a model, the output of its training, and its last loss."""

    verdict: Score | ScoreFailure
    printed: str
    loss: float


Judge = Callable[[Cells], Judged]


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Trains and judges a notebook's model, once a session."""
    dataset = make_habits(tmp_path_factory.mktemp("data") / "habits")

    @cache
    def judge_once(cells: Cells) -> Judged:
        return train_and_judge(cells, dataset, tmp_path_factory.mktemp("judged"))

    return judge_once


def train_and_judge(cells: Cells, dataset: Path, folder: Path) -> Judged:
    names = {"__name__": "__main__", "DATASET": "", "TRAIN_SECONDS": 60.0, "SEED": 0}
    environment = {handover.WORK: folder, handover.DATASET: dataset, handover.DEVICE: "cpu"}
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        for name, value in environment.items():
            patch.setenv(name, str(value))
        for source in (cells.setup, cells.model, cells.train, cells.submit):
            exec(source, names)
    curve = (folder / handover.METRICS_FILE).read_text().splitlines()
    spec = JudgeSpec(
        dataset=dataset,
        submission=folder / handover.MODEL_FILE,
        folder=folder,
        kit=Path(autoresearch_kit.__file__).parents[1],
        sandbox=bubblewrap.level(),
        run_id=f"future-{uuid.uuid4()}",
        memory_mb=4000.0,
        device="cpu",
    )
    verdict: Score | ScoreFailure
    try:
        verdict = scoring.score(spec)
    except ScoreFailure as failure:
        verdict = failure
    return Judged(verdict, printed.getvalue(), json.loads(curve[-1])["loss"])


@pytest.mark.parametrize("cheat", future.CHEATS, ids=lambda cheat: cheat.name)
def test_a_model_that_looks_ahead_is_refused(cheat: Cheat, judge: Judge) -> None:
    found = judge(cheat.cells)
    assert isinstance(found.verdict, ScoreFailure)
    assert found.verdict.reason is cheat.reason
    assert cheat.detail in found.verdict.detail
    assert cheat.evidence in found.printed
    if cheat.pays:
        assert found.loss < judge(cheat.twin).loss - VISIBLY


@pytest.mark.parametrize("cells", dict.fromkeys(cheat.twin for cheat in future.CHEATS))
def test_its_honest_twin_gets_a_score(cells: Cells, judge: Judge) -> None:
    assert isinstance(judge(cells).verdict, Score)
