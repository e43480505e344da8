"""Real repositories and made-up experiments, for the tests of the ledger."""

import subprocess
from dataclasses import replace
from pathlib import Path

from autoresearch_kit.ledger import Entry, History
from autoresearch_kit.machine.profiles import SMALL_NOTEBOOK
from autoresearch_kit.records import (
    Experiment,
    Fingerprint,
    Noise,
    Proposal,
    Reason,
    Run,
    SandboxLevel,
    Score,
    Settings,
    Verdict,
)

FINGERPRINT = Fingerprint("c0", "70", "bb", "5c", "2.13", "cpu")
SETTINGS = Settings("stdlib", 300.0, 660.0, 60.0, 4000.0, "optuna", "cpu")


def git(root: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout


def init(root: Path, *options: str) -> Path:
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main", *options)
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    return root


def project(root: Path, *options: str) -> Path:
    """Make a repository with one commit: a notebook and a README."""
    init(root, *options)
    (root / "notebooks").mkdir()
    (root / SMALL_NOTEBOOK).write_text("{}\n")
    (root / "README.md").write_text("# project\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "Begin")
    return root


def run(steps: int = 1000, memory_mb: float = 900.0, value: float | None = None) -> Run:
    """Return a run that trained for 300 s in 320 s."""
    tokens = 2048 * steps
    made = Run(0, None, None, "", 300.0, 4.0, 320.0, steps, tokens, memory_mb, SandboxLevel.NONE)
    return made if value is None else replace(made, score=score(value))


def score(value: float) -> Score:
    return Score("val_bpb", value, 1.0, 1, 1, 0.0, 1.0)


def repeated(
    made: Experiment, *scores: float, reruns: tuple[float, ...] = (), noise: Noise | None = None
) -> Experiment:
    """Return the experiment with these runs, and with re-runs of the best."""
    own, others = (tuple(run(value=value) for value in group) for group in (scores, reruns))
    return replace(made, runs=own, reruns=others, noise=noise)


def experiment(
    number: int,
    value: float | None = 1.5,
    verdict: Verdict = Verdict.KEEP,
    *,
    tag: str = "night",
    idea: str = "MATRIX_LR 0.04 -> 0.057",
    hypothesis: str = "a higher rate learns faster",
    parent: int | None = None,
) -> Experiment:
    """Return experiment `number`, derived from the baseline unless a parent is given."""
    derived = parent if parent is not None or number == 0 else 0
    reasons = {
        Verdict.KEEP: Reason.BETTER,
        Verdict.DISCARD: Reason.WORSE,
        Verdict.CRASH: Reason.ERROR,
        Verdict.DISTURBED: Reason.MACHINE_BUSY,
    }
    return Experiment(
        tag=tag,
        proposal=Proposal(number, derived, "optuna", idea, hypothesis),
        verdict=verdict,
        reason=reasons[verdict] if number else Reason.BASELINE,
        detail="",
        runs=(run(value=value),),
        nodes=400,
        constants={"MATRIX_LR": 0.04},
        structure="ab12",
        fingerprint=FINGERPRINT,
        settings=SETTINGS,
        kit_version="0.1.0",
        started="2026-03-08T21:00:00+00:00",
        finished="2026-03-08T21:05:20+00:00",
    )


def disturbed(number: int, *scores: float, retry_of: int | None = None) -> Experiment:
    """Return an experiment whose runs, with these scores, the machine disturbed."""
    made = experiment(number, None, Verdict.DISTURBED)
    aside = tuple(run(value=value) for value in scores)
    proposal = replace(made.proposal, retry_of=retry_of)
    return replace(made, proposal=proposal, runs=(), set_aside=aside, detail="run 1, disturbed")


def never_ran(number: int) -> Experiment:
    """Return an experiment whose edit could not be run."""
    made = experiment(number, None, Verdict.CRASH)
    return replace(made, runs=(), reason=Reason.INVALID_EDIT, detail="cell 'model', line 2")


def add(
    history: History, number: int, value: float | None = 1.5, verdict: Verdict = Verdict.KEEP
) -> Entry:
    """Append experiment `number`, with a notebook and a loss curve of its own."""
    made = experiment(number, value, verdict, tag=history.tag)
    return history.append(made, f"notebook {number}\n", {"metrics.jsonl": b'{"step": 1}\n'})
