"""What a score depends on besides the model: scores are compared only where all of it is equal."""

import hashlib
from pathlib import Path

from autoresearch_kit.records import Clock, DatasetInfo, Fingerprint, Machine

SCORING_SOURCES = (
    "tasks/lm",
    "execution/judge/assessment.py",
    "execution/judge/causality.py",
    "execution/judge/exchange.py",
    "execution/judge/gpu.py",
    "execution/judge/judge.py",
    "execution/judge/logits.py",
    "execution/judge/pace.py",
    "execution/judge/predictor.py",
    "execution/judge/predictor_process.py",
    "machine/precision.py",
)
"""The code between a submission and its score, inside the package."""


def fingerprint(
    info: DatasetInfo, machine: Machine, kit: Path, clock: Clock = Clock.WALL
) -> Fingerprint:
    """The fingerprint of scores measured on `info`, on `machine`, by the package copy in `kit`, of
    runs whose budget counts by `clock`."""
    return Fingerprint(
        corpus=info.corpus,
        tokenizer=info.tokenizer,
        packing=info.packing,
        scoring=f"{info.context}x{info.eval_rows}-{_digest(kit / 'autoresearch_kit')}",
        torch=machine.torch,
        device=machine.device,
        clock=clock,
    )


def _digest(package: Path) -> str:
    digest = hashlib.sha256()
    for name in SCORING_SOURCES:
        place = package / name
        for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
