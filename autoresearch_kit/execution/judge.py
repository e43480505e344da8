"""The process that holds the targets: `python -m autoresearch_kit.execution.judge SPEC`.

Kit code only; it unpickles nothing. Predictors see inputs and return logits, of which the judge
takes a copy before it computes a loss. The first predictor gets every row. The second, just as
fresh, gets only rows cut at random places and refilled: a model that predicts no worse at the
positions before the cut does not look ahead, and learnt nothing from the rows it was scored on.
Nor may it learn anything else meanwhile, from data that it brought along: see `pace`.
"""

import secrets
import sys
import time
from pathlib import Path

from autoresearch_kit import codec
from autoresearch_kit.atomic import write_atomic
from autoresearch_kit.execution import reap
from autoresearch_kit.execution.exchange import LOGIT_BYTES, Shape
from autoresearch_kit.execution.grading import (
    FAILED,
    SCORE_FILE,
    JudgeSpec,
    ScoreFailure,
)
from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.lifeline import end_with_parent
from autoresearch_kit.execution.orphans import adopt_orphans
from autoresearch_kit.execution.pace import check_pace
from autoresearch_kit.execution.predictor_process import start
from autoresearch_kit.lm.dataset import open_dataset
from autoresearch_kit.records import DatasetInfo, Score

BATCH_ROWS = 8
"""Rows a model is asked for at once, if their logits fit in `BATCH_BYTES`; 32 took a CPU longer."""

BATCH_BYTES = 256 * 1024**2
"""Of float32 logits in one batch, at most, unless a single row has more."""


def batch_shape(info: DatasetInfo) -> Shape:
    """The batch that every submission for this data set is asked for."""
    fit = BATCH_BYTES // (info.context * info.vocab_size * LOGIT_BYTES)
    rows = max(1, min(BATCH_ROWS, fit, info.eval_rows))
    return Shape(rows, info.context, info.vocab_size)


def judge(spec: JudgeSpec) -> Score:
    """Score the submission, then probe it.

    Raises:
        ScoreFailure: it has no score; the failure says why.
        CorpusError: the data set can't be read.
    """
    begun = time.monotonic()
    dataset = open_dataset(spec.dataset)
    shape = batch_shape(dataset.info)
    hidden = [Path(path) for path in dataset.info.hidden]
    scored, probed = (start(spec, shape, hidden) for _ in range(2))
    # torch takes seconds to import: the predictors import theirs meanwhile
    from autoresearch_kit.execution import assessment

    shard = assessment.load_shard(dataset, spec)
    scored.load()
    losses = shard.losses(scored.predict, shard.inputs, shard.targets, shape.rows)
    scored.end()
    check_pace(scored.loading, scored.answers)
    probed.load()
    gap = assessment.probe(shard, losses, probed.predict, shape.rows, secrets.randbits(63))
    probed.end()
    sums = shard.sums(losses)
    return Score(
        metric=f"{spec.shard}_bpb",
        value=sums.value,
        nats=sums.nats,
        bytes=sums.bytes,
        tokens=sums.tokens,
        causality_gap=gap,
        seconds=time.monotonic() - begun,
    )


def main(path: Path) -> int:
    """Do what the spec at `path` says, and write the answer into its folder."""
    adopt_orphans()
    spec = codec.decode(JudgeSpec, path.read_bytes())
    end_with_parent(spec.run_id)
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
    sys.exit(main(Path(sys.argv[1])))
