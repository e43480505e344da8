"""The process that holds the targets: `python -m autoresearch_kit.execution.judge.judge SPEC`.

Kit code only; it unpickles nothing, and imports torch for a GPU only. Predictors see inputs and
return logits, of which the judge takes a copy before it computes a loss. One predictor gets every
row. The other, just as fresh, gets only rows that are cut at random positions and refilled: see
`causality`. Nor may a model learn while it is scored, from data that it brought along: see
`check_pace`.
"""

import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from autoresearch_kit.errors import ExecutionError
from autoresearch_kit.execution.judge import causality, logits
from autoresearch_kit.execution.judge.logits import Floats
from autoresearch_kit.execution.judge.predictor_process import PredictorProcess, start
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure, serve
from autoresearch_kit.execution.judge.shard import Predict, Shard, batch_shape, load_shard
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.processes.starter import await_turn, without_garbage_collection
from autoresearch_kit.records import Reason, Score
from autoresearch_kit.tasks.lm.dataset import open_dataset
from autoresearch_kit.tasks.lm.splits import Split, metric_name

FULL = "float32"

MAX_ROUNDING = 1e-4
"""Bits per byte by which a score in half precision may differ from the score in float32."""

ROUNDED_TOKENS = 2**16
"""Tokens that are scored in float32 as well, where there are as many. After 60 s of training,
bfloat16 put the loss of the shipped model's tokens off by 0.0075 nats to either side: 0.00002 bits
per byte on so many."""

FREE_SECONDS = 10.0
"""Seconds for loading the model, and for what its first answer takes longer than a typical one.

They are of the wall-clock, not CPU time: the notebook's models load in 0.1 s, and in less than 1 s
beside six busy processes on two cores. CPU time would miss what trains on a GPU.
"""

FREE_SHARE = 0.25
"""Share of the time of all answers that is allowed for slow ones, as on a busy machine."""

SLOW = 3.0
"""An answer is slow if it takes more than so many times a typical one."""


def judge(spec: JudgeSpec) -> Score:
    """Score the submission, then probe it, when its turn has come.

    Raises:
        ScoreFailure: it has no score; the failure says why.
        CorpusError: the data set can't be read.
    """
    dataset = open_dataset(spec.dataset)
    predictors = [start(spec), start(spec)]
    # which of them is scored is drawn, so that a process's age doesn't tell
    scored = predictors.pop(secrets.randbelow(2))
    (probed,) = predictors
    shard = load_shard(dataset, spec.shard)
    on_gpu = spec.device == "cuda"
    if on_gpu:
        with without_garbage_collection():
            import torch  # noqa: F401 - takes seconds, while the predictors do the same
    await_turn(lambda: reap.reap(spec.run_id))
    begun = time.monotonic()
    if on_gpu:
        _check_gpu()
    shape = batch_shape(dataset.info, on_gpu=on_gpu)
    for predictor in (scored, probed):
        predictor.begin(logits.buffers(shape, spec.precision, on_gpu=on_gpu))
    for predictor in (scored, probed):  # before a submission could take the GPU from the other one
        predictor.await_ready()
    scored.load()
    answered = score(shard, scored)
    scored.end()
    probed.load()
    changes = causality.probe(
        shard,
        answered.losses,
        probed.predict if answered.precision == probed.precision else probed.predict_full,
        shape.rows,
        wanted=causality.GPU_POSITIONS if on_gpu else causality.POSITIONS,
        seed=secrets.randbits(63),
    )
    probed.end()
    sums, name = shard.sums(answered.losses), metric_name(Split(spec.shard))
    return Score(
        metric=name,
        value=sums.value,
        nats=sums.nats,
        bytes=sums.bytes,
        tokens=sums.tokens,
        causality_gap=causality.check(changes, shape.rows),
        tested=len(changes),
        seconds=time.monotonic() - begun,
        precision=answered.precision,
        rounding=answered.rounding,
        on_device=scored.buffer.terms.on_device,
        values={
            name: sums.value,
            "submission_mb": spec.submission.stat().st_size / 1e6,
            "parameters": float(scored.parameters),
            "inference_seconds": answered.seconds / len(shard.inputs),
        },
    )


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


@dataclass(frozen=True)
class Answered:
    """A predictor's answers to every row: losses `[N, T]` in nats, and the precision they are from.

    `rounding` is by how many bits per byte half precision is off: see `rounding_error`. `seconds`
    are those of these answers, as seen from here.
    """

    losses: Floats
    precision: str
    rounding: float | None
    seconds: float


def score(shard: Shard, predictor: PredictorProcess) -> Answered:
    """Have a predictor predict every row, in its precision; in float32 if that matters.

    Raises:
        ScoreFailure: there is no score, or the model did something else besides.
    """
    batch, precision = predictor.shape.rows, predictor.precision
    losses = shard.losses(predictor.predict, batch)
    spent, seconds = check_pace(predictor.loading, predictor.answers), sum(predictor.answers)
    if precision == FULL:
        return Answered(losses, FULL, None, seconds)
    predictor.answers.clear()  # those in float32 have a pace of their own
    off = rounding_error(shard, losses, predictor.predict_full, batch)
    if off is not None and abs(off) > MAX_ROUNDING:
        before = len(predictor.answers)
        losses, precision = shard.losses(predictor.predict_full, batch), FULL
        seconds = sum(predictor.answers[before:])
    if predictor.answers:
        check_pace(spent, predictor.answers)
    return Answered(losses, precision, off, seconds)


def rounding_error(shard: Shard, losses: Floats, predict_full: Predict, batch: int) -> float | None:
    """Return how far the first rows' score is off for half precision, in bits per byte.

    `losses` `[N, T]` are those scored. None for a model that has weights in another precision, or
    too little memory, and so can't predict in float32.
    """
    count = -(-ROUNDED_TOKENS // losses.shape[1])
    try:
        full = shard.losses(predict_full, batch, count)
    except ScoreFailure:
        return None
    return shard.sums(losses[:count]).value - shard.sums(full).value


def check_pace(spent: float, answers: Sequence[float]) -> float:
    """Check the seconds that a model took for each answer of a pass over all rows.

    A model could train while it is scored, over its budget. `spent` of `FREE_SECONDS` were spent
    before, on loading or in an earlier pass. Return what is spent now. The first answer counts in
    full, for all that it learns there is of use in every answer; a later one counts if it is slow,
    and then against what was left and `FREE_SHARE`.

    Raises:
        ScoreFailure: it took more than it may.
    """
    typical = median(answers)
    spent += max(0.0, answers[0] - typical)
    if spent > FREE_SECONDS:
        raise ScoreFailure(
            Reason.OVER_BUDGET,
            f"the model took {spent:.1f} s to load and for what its first answer took longer than "
            f"the typical {typical:.2g} s; {FREE_SECONDS:g} s allowed: what it learns there is "
            f"over its budget",
        )
    slow = sum(answer - typical for answer in answers[1:] if answer > SLOW * typical)
    allowed = FREE_SECONDS - spent + FREE_SHARE * typical * len(answers)
    if slow > allowed:
        raise ScoreFailure(
            Reason.OVER_BUDGET,
            f"the model took {slow:.1f} s longer in slow answers than the typical {typical:.2g} s; "
            f"{allowed:.1f} s allowed: what it learns there is over its budget",
        )
    return spent


if __name__ == "__main__":
    serve(judge, Path(sys.argv[1]))
