"""The seam of a task: what the judge calls to score a predictor."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_kit.tasks.lm.bits_per_byte import val_bpb

METRIC = "val_bpb"
LOWER_IS_BETTER = True


@dataclass(frozen=True)
class Sums:
    """What scoring a shard adds up to; specials are in neither `nats`, `bytes` nor `tokens`."""

    nats: float
    bytes: int
    tokens: int

    @property
    def value(self) -> float:
        """The metric, in bits per byte."""
        return val_bpb(self.nats, self.bytes)


def sums(
    losses: npt.NDArray[np.float32],
    targets: npt.NDArray[np.int64],
    token_bytes: npt.NDArray[np.int64],
) -> Sums:
    """Add up losses `[N, T]` in float64, over the targets that stand for bytes.

    `token_bytes` `[V]` says how many; specials stand for none.
    """
    sizes = token_bytes[targets]
    scored = sizes > 0
    nats = losses[scored].sum(dtype=np.float64)
    return Sums(float(nats), int(sizes.sum()), int(scored.sum()))
