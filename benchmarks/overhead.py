"""The seconds of an experiment that are not training, by part.

    python benchmarks/overhead.py [--train-seconds 30] [--experiments 3] [--dataset stdlib]

Runs a real campaign of this checkout's notebook in a throw-away repository, and prints a markdown
table: a column per experiment, a row per part. The goal on two CPU cores is 15 s in all, scoring
included; compilation is a row of its own, since only the first run of a shape pays for it.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from autoresearch_kit.campaign import Campaign
from autoresearch_kit.records import Experiment, Limits, Rule
from autoresearch_kit.settling import Wishes, settle

ROOT = Path(__file__).parents[1]
IDENTITY = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost")


def make_project(folder: Path) -> Path:
    """A repository with this checkout's training notebook."""
    (folder / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "train.ipynb", folder / "notebooks")
    for argv in (["init", "-q"], ["add", "."], [*IDENTITY, "commit", "-qm", "begin"]):
        subprocess.run(["git", *argv], cwd=folder, check=True)
    return folder


def timed(campaign: Campaign, limits: Limits) -> Iterator[tuple[Experiment, float]]:
    """Each experiment and its seconds from the end of the one before to its place in git."""
    experiments = campaign.run(limits)
    while True:
        before = time.monotonic()
        try:
            experiment = next(experiments)
        except StopIteration:
            return
        yield experiment, time.monotonic() - before


def parts(experiment: Experiment, seconds: float) -> dict[str, float]:
    """Where the seconds of an experiment went."""
    run = experiment.runs[0]
    known = {"training": run.train_seconds, "compilation": run.compile_seconds, **run.parts}
    return known | {"proposing, git, the rest": seconds - sum(known.values())}


def table(columns: list[dict[str, float]]) -> str:
    """A row per part; the last sums up what is neither training nor compilation."""
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [["seconds", *(str(number) for number in range(len(columns)))]]
    rows += [["---", *("---:" for _ in columns)]]
    rows += [[name, *(f"{column.get(name, 0):.1f}" for column in columns)] for name in names]
    lost = [sum(c.values()) - c["training"] - c["compilation"] for c in columns]
    rows += [["**not training**", *(f"**{seconds:.1f}**" for seconds in lost)]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--train-seconds", type=float, default=30)
    parser.add_argument("--experiments", type=int, default=3)
    parser.add_argument("--dataset", default="stdlib")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = make_project(Path(folder))
        wishes = Wishes(
            dataset=given.dataset,
            train_seconds=given.train_seconds,
            rule=Rule.GREEDY,  # one run an experiment
            max_elsewhere=1.0,
        )
        campaign = Campaign("overhead", settle(root, "overhead", wishes), root=root)
        limits = Limits(experiments=given.experiments)
        columns = [parts(experiment, seconds) for experiment, seconds in timed(campaign, limits)]
    print(f"{os.cpu_count()} cores, {given.train_seconds:g} s of training; 0 starts the campaign\n")
    print(table(columns))


if __name__ == "__main__":
    main()
