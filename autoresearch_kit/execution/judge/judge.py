"""The process that holds the targets: `python -m autoresearch_kit.execution.judge.judge SPEC`.

Kit code only; it unpickles nothing, and imports torch for a GPU only. Predictors see inputs and
return logits, of which the judge takes a copy before it computes a loss. One predictor gets every
row. The other, just as fresh, gets only rows that are cut at random places and refilled: see
`causality`. Nor may a model learn while it is scored, from data that it brought along: see `pace`.
"""

import os
import secrets
import sys
import time
from pathlib import Path

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.judge import assessment, causality, logits
from autoresearch_kit.execution.judge.grading import FAILED, SCORE_FILE, JudgeSpec, ScoreFailure
from autoresearch_kit.execution.judge.predictor_process import start
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.processes.lifeline import await_turn, uncollected
from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import Reason, Score, codec
from autoresearch_kit.tasks.lm.dataset import open_dataset
from autoresearch_kit.tasks.lm.splits import Split, metric_name


def judge(spec: JudgeSpec) -> Score:
    """Score the submission, then probe it, when its turn has come.

    Raises:
        ScoreFailure: it has no score; the failure says why.
        CorpusError: the data set can't be read.
    """
    dataset = open_dataset(spec.dataset)
    predictors = [start(spec) for _ in range(2)]
    # which of them is scored is drawn, so that a process's age doesn't tell
    scored = predictors.pop(secrets.randbelow(2))
    (probed,) = predictors
    shard = assessment.load_shard(dataset, spec.shard)
    on_gpu = spec.device == "cuda"
    if on_gpu:
        _import_torch()  # which takes seconds, while the predictors do the same
    await_turn(spec.run_id)
    begun = time.monotonic()
    if on_gpu:
        _check_gpu()
    shape = assessment.batch_shape(dataset.info, on_gpu=on_gpu)
    for predictor in (scored, probed):
        predictor.begin(logits.places(shape, spec.precision, on_gpu=on_gpu))
    for predictor in (scored, probed):  # before a submission could take the GPU from the other one
        predictor.await_ready()
    scored.load()
    result = assessment.score(shard, scored)
    scored.end()
    probed.load()
    changes = assessment.probe(
        shard,
        result.losses,
        probed.predict if result.precision == probed.precision else probed.predict_full,
        shape.rows,
        wanted=causality.GPU_POSITIONS if on_gpu else causality.POSITIONS,
        seed=secrets.randbits(63),
    )
    probed.end()
    sums = shard.sums(result.losses)
    return Score(
        metric=metric_name(Split(spec.shard)),
        value=sums.value,
        nats=sums.nats,
        bytes=sums.bytes,
        tokens=sums.tokens,
        causality_gap=causality.check(changes, shape.rows),
        tested=len(changes),
        seconds=time.monotonic() - begun,
        precision=result.precision,
        rounding=result.rounding,
        on_device=scored.place.terms.on_device,
    )


def _import_torch() -> None:
    with uncollected():
        import torch  # noqa: F401


def _check_gpu() -> None:
    """Check that this process can compute on the GPU, and use it for the first time.

    Raises:
        ScoreFailure: it can't, which is no fault of the submission.
    """
    from autoresearch_kit.machine import precision  # imports torch

    try:
        precision.expected("cuda")
    except ExecutionError as error:
        raise ScoreFailure(Reason.KIT_FAILED, f"in the judge, {error}") from error


def main(path: Path) -> int:
    """Score what the spec at `path` names, write the answer into its folder, return a status."""
    reap.adopt_orphans()
    spec = codec.decode(JudgeSpec, path.read_bytes())
    answer: Score | Failure
    try:
        answer = judge(spec)
    except ScoreFailure as failure:
        answer = Failure(failure.reason, failure.detail)
    finally:
        reap.reap(spec.run_id)
    write_atomic(spec.folder / SCORE_FILE, codec.encode(answer))
    return FAILED if isinstance(answer, Failure) else 0


if __name__ == "__main__":
    status = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # taking modules apart takes time, and frees nothing more
