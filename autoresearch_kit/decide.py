"""Keep or discard, given the scores: pure functions.

A score is taken at its word for now; the noise between runs of the same code comes in here later.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from autoresearch_kit.errors import FingerprintError
from autoresearch_kit.records import Fingerprint, Reason, Verdict

DECIMALS = 6
"""Scores are equal when they are at this many decimals: what is shown is what is compared."""

_WAYS_OUT: Mapping[str, str] = {
    "corpus": "prepare the corpus that it was started with again",
    "tokenizer": "prepare the corpus with the tokenizer that it was started with",
    "packing": "prepare the corpus with the version of the kit that it was started with",
    "scoring": "go on with the version of the kit and the scoring size it was started with",
    "torch": "install the torch that it was started with",
    "device": "go on where it was started",
}


@dataclass(frozen=True)
class Decision:
    """A verdict, why, and the same in a sentence with numbers."""

    verdict: Verdict
    reason: Reason
    detail: str


def decide(
    challenger_bpb: float, challenger_nodes: int, best_bpb: float, best_nodes: int
) -> Decision:
    """Keep the challenger if its bits per byte are lower, or the same with less code.

    `nodes` are syntax-tree nodes of the editable cells.
    """
    gain = round(best_bpb, DECIMALS) - round(challenger_bpb, DECIMALS)
    scores = f"{challenger_bpb:.6f} against the best's {best_bpb:.6f}"
    if gain > 0:
        return Decision(Verdict.KEEP, Reason.BETTER, f"{scores}: {gain:.6f} lower")
    if gain < 0:
        return Decision(Verdict.DISCARD, Reason.WORSE, f"{scores}: {-gain:.6f} higher")
    fewer = best_nodes - challenger_nodes
    if fewer > 0:
        detail = f"{scores}: the same with {fewer} syntax-tree nodes less"
        return Decision(Verdict.KEEP, Reason.SIMPLER, detail)
    return Decision(Verdict.DISCARD, Reason.NO_GAIN, f"{scores}: the same, and no less code")


def check_comparable(a: Fingerprint, b: Fingerprint) -> None:
    """Look whether scores measured under `a` (a campaign's) and `b` (what is here) compare.

    Raises:
        FingerprintError: they don't; the message names the parts that differ and the way out.
    """
    was, now = asdict(a), asdict(b)
    differing = [part for part in was if was[part] != now[part]]
    if differing:
        parts = ", ".join(f"{part} was {was[part]}, is {now[part]}" for part in differing)
        ways = "; ".join(_WAYS_OUT[part] for part in differing)
        raise FingerprintError(
            f"scores can't be compared: {parts}. For this campaign, {ways}; or start another tag"
        )
