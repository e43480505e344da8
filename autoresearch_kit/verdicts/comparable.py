"""The fingerprint of a score: scores are compared only where their fingerprints are equal."""

from collections.abc import Mapping
from dataclasses import asdict

from autoresearch_kit.errors import FingerprintError
from autoresearch_kit.records import Clock, DatasetInfo, Fingerprint, Machine, TaskInfo

_WAYS_OUT: Mapping[str, str] = {
    "corpus": "prepare the corpus that it was started with again",
    "tokenizer": "prepare the corpus with the tokenizer that it was started with",
    "packing": "prepare the corpus with the version of the kit that it was started with",
    "scoring": "go on with the version of the kit and the scoring size it was started with",
    "torch": "install the torch that it was started with",
    "device": "go on where it was started",
    "clock": "go on with the clock that it was started with",
}

_WAYS_OUT_OF_TASK: Mapping[str, str] = {
    **_WAYS_OUT,
    "corpus": "bring back the data that it was started with, as with git",
    "scoring": "bring back the hidden data and the measurement that it was started with, as with "
    "git, or the version of the kit",
}


def fingerprint(
    info: DatasetInfo | TaskInfo, machine: Machine, scoring_version: int, clock: Clock = Clock.WALL
) -> Fingerprint:
    """Return the fingerprint of scores measured on `info` and `machine`, by a task's scoring.

    `clock` is what the budget of the runs counts. Older campaigns have a digest of the scoring's
    source where others have `v` and the version, so that the two are never taken to be equal.
    """
    if isinstance(info, TaskInfo):
        scoring = f"{info.measurement}-v{scoring_version}"
        return Fingerprint(info.data, "", "", scoring, machine.torch, machine.device, clock)
    return Fingerprint(
        corpus=info.corpus,
        tokenizer=info.tokenizer,
        packing=info.packing,
        scoring=f"{info.context}x{info.eval_rows}-v{scoring_version}",
        torch=machine.torch,
        device=machine.device,
        clock=clock,
    )


def check_comparable(a: Fingerprint, b: Fingerprint) -> None:
    """Check that scores measured under `a` (a campaign's) and `b` (what is here) compare.

    Raises:
        FingerprintError: they don't; the message names the parts that differ and the way out.
    """
    was, now = asdict(a), asdict(b)
    differing = [part for part in was if was[part] != now[part]]
    if differing:
        parts = ", ".join(f"{part} was {was[part]}, is {now[part]}" for part in differing)
        known = _WAYS_OUT if a.tokenizer else _WAYS_OUT_OF_TASK  # a folder's task has none
        ways = "; ".join(known[part] for part in differing)
        raise FingerprintError(
            f"scores can't be compared: {parts}. For this campaign, {ways}; or start another tag"
        )
