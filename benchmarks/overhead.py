"""The seconds of an experiment that are not training, by part; and what each one reached.

    python benchmarks/overhead.py [--train-seconds 30] [--experiments 3] [--dataset stdlib]

Runs a real campaign of this checkout's notebook in a throw-away repository, as `autoresearch run`
does, and prints a markdown table: a column per experiment, a row per part. The goal on two CPU
cores is 15 s in all, scoring included; compilation is a row of its own, since only the first run of
a shape pays for it. Ended by SIGTERM it stops the campaign, and prints what was recorded by then.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from small import SMALL

from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Constant, Experiment
from autoresearch_kit.reports.experiment import how_scored
from autoresearch_kit.reports.summary import summarise

ROOT = Path(__file__).parents[1]
IDENTITY = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost")
TAG = "overhead"
KIT = str(Path(sys.executable).with_name("autoresearch"))
STOPPING_SECONDS = 10.0
"""Seconds that a campaign may take to stop at once."""


def make_project(folder: Path, constants: Mapping[str, Constant]) -> Path:
    """Make a repository with this checkout's training notebook, some of its constants changed."""
    (folder / "notebooks").mkdir()
    notebook = TrainNotebook.read(ROOT / "notebooks" / "train.ipynb").set_constants(constants)
    (folder / "notebooks" / "train.ipynb").write_text(notebook.text())
    shutil.copy(ROOT / "notebooks" / "train_gpu.ipynb", folder / "notebooks")
    for argv in (["init", "-q"], ["add", "."], [*IDENTITY, "commit", "-qm", "begin"]):
        subprocess.run(["git", *argv], cwd=folder, check=True)
    return folder


def run_campaign(root: Path, given: argparse.Namespace) -> int:
    """Run it to its end, or until SIGTERM; return its status."""
    argv = [KIT, "run", TAG, "--max-experiments", str(given.experiments)]
    argv += ["--train-seconds", str(given.train_seconds), "--dataset", given.dataset]
    argv += ["--rule", "greedy", "--max-elsewhere", "1"]  # one run an experiment
    argv += ["--profile", "as-is", "--notebook", "notebooks/train.ipynb"] if given.small else []
    try:
        return subprocess.run(argv, cwd=root).returncode
    except SystemExit as asked:
        subprocess.run([KIT, "stop", TAG, "--now"], cwd=root)
        deadline = time.monotonic() + STOPPING_SECONDS
        while Workspace(root, TAG).running() and time.monotonic() < deadline:
            time.sleep(0.2)
        return int(asked.code or 1)


def leave(number: int, _frame: object) -> NoReturn:
    """Turn a signal into an exit that cleans up; another one changes nothing."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def timed(experiments: Sequence[Experiment]) -> Iterator[tuple[Experiment, float]]:
    """Yield each experiment and its seconds, from the end of the one before."""
    before = datetime.fromisoformat(experiments[0].started)
    for experiment in experiments:
        finished = datetime.fromisoformat(experiment.finished)
        yield experiment, (finished - before).total_seconds()
        before = finished


def parts(experiment: Experiment, seconds: float) -> dict[str, float]:
    """Return where the seconds of an experiment went."""
    run = experiment.runs[0]
    known = {"training": run.train_seconds, "compilation": run.compile_seconds, **run.parts}
    return known | {"proposing, git, the rest": max(0.0, seconds - sum(known.values()))}


def reached(experiment: Experiment) -> dict[str, str]:
    """Return what came of an experiment, in words."""
    run = experiment.runs[0]
    score = "-" if experiment.score is None else f"{experiment.score:.4f}"
    audit = {} if run.audit is None else {"audit_bpb": f"{run.audit.value:.4f}"}
    steps = {"steps": f"{run.steps:,}", "tokens/s": f"{run.tokens_per_second:,.0f}"}
    how = {"scored": how_scored(run.score)} if run.score else {"ended": run.detail}
    return {**steps, "val_bpb": score, **audit, "memory": run.memory, **how}


def table(columns: Sequence[dict[str, float]], results: Sequence[dict[str, str]]) -> str:
    """Return a row per part, one that sums up what is no training, and what was reached."""
    rows = [["", *(str(number) for number in range(len(columns)))]]
    rows += [["---", *("---:" for _ in columns)]]
    for name in dict.fromkeys(name for column in columns for name in column):
        rows += [[f"{name}, s", *(f"{column.get(name, 0):.1f}" for column in columns)]]
    lost = [sum(c.values()) - c["training"] - c["compilation"] for c in columns]
    rows += [["**not training**, s", *(f"**{seconds:.1f}**" for seconds in lost)]]
    for name in dict.fromkeys(name for result in results for name in result):
        rows += [[name, *(result.get(name, "-") for result in results)]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def tell(experiments: Sequence[Experiment], train_seconds: float) -> None:
    """Print what was recorded."""
    ran = [one for one in experiments if one.runs]
    columns = [parts(experiment, seconds) for experiment, seconds in timed(ran)]
    print(f"\n{os.cpu_count()} cores, {train_seconds:g} s of training; 0 is the baseline\n")
    print(table(columns, [reached(experiment) for experiment in ran]))
    print(f"| in all | {summarise(TAG, experiments).spent} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--train-seconds", type=float, default=30)
    parser.add_argument("--experiments", type=int, default=3, help="beside the baseline")
    parser.add_argument("--dataset", default="stdlib")
    parser.add_argument("--small", action="store_true", help="a small model, to try this script")
    parser.add_argument("--folder", type=Path, help="where the project stays (default: nowhere)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, leave)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch) / "project"
        folder.mkdir(parents=True)
        root = make_project(folder, SMALL if given.small else {})
        status = run_campaign(root, given)
        if experiments := History(root, TAG).experiments():
            tell(experiments, given.train_seconds)
    return status


if __name__ == "__main__":
    sys.exit(main())
