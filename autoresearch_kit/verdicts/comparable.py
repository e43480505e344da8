"""The fingerprint of a score: scores are compared only where their fingerprints are equal."""

from autoresearch_kit.records import Clock, DatasetInfo, Fingerprint, Machine


def fingerprint(
    info: DatasetInfo, machine: Machine, scoring_version: int, clock: Clock = Clock.WALL
) -> Fingerprint:
    """Return the fingerprint of scores measured on `info` and `machine`, by a task's scoring.

    `clock` is what the budget of the runs counts. Older campaigns have a digest of the scoring's
    source where others have `v` and the version, so that the two are never taken to be equal.
    """
    return Fingerprint(
        corpus=info.corpus,
        tokenizer=info.tokenizer,
        packing=info.packing,
        scoring=f"{info.context}x{info.eval_rows}-v{scoring_version}",
        torch=machine.torch,
        device=machine.device,
        clock=clock,
    )
