"""Measure what a training budget buys beside busy cores, by the wall-clock and by the CPU clock.

    PYTHONPATH=. python benchmarks/clock.py                       # compiled, then eager, for 20 s
    PYTHONPATH=. python benchmarks/clock.py --seconds 60 --repeats 2 eager

The same code, seed and budget is run beside 0, 1 and 2 programs that keep a core busy each. By the
CPU clock steps should stay within 5% of those alone, and val_bpb within the noise between seeds.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoresearch_kit.campaign import context
from autoresearch_kit.execution import launch
from autoresearch_kit.execution.runner.clock import wall_allowance
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Clock, Run, RunSpec

ROOT = Path(__file__).parents[1]
PROFILES = {"compiled": "cpu", "eager": "cpu-eager"}
BURN = "while True: pass"
COMPILE_SECONDS = 300.0
BESIDE = (0, 1, 2)
SEED = 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("variants", nargs="*", help=", ".join(PROFILES))
    parser.add_argument("--seconds", type=float, default=20.0, help="training budget of a run")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--clock", type=Clock, choices=list(Clock), help="one only")
    parsed = parser.parse_args()
    if unknown := set(parsed.variants) - PROFILES.keys():
        parser.error(f"no variant {', '.join(sorted(unknown))}; there are {', '.join(PROFILES)}")
    return parsed


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep so many cores busy, each by a program."""
    programs = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def run(workspace: Workspace, dataset: Path, source: str, clock: Clock, seconds: float) -> Run:
    folder = workspace.runs / f"{len(list(workspace.runs.glob('*'))):03d}"
    folder.mkdir(parents=True)
    (folder / "input.ipynb").write_text(source, encoding="utf-8")
    spec = RunSpec(
        run_id=f"{workspace.root}-{folder.name}",
        folder=folder,
        notebook=folder / "input.ipynb",
        dataset=dataset,
        kit=workspace.kit,
        compile_cache=workspace.compile_cache,
        seed=SEED,
        train_seconds=seconds,
        wall_seconds=wall_allowance(Clock.CPU, seconds, COMPILE_SECONDS),
        compile_seconds=COMPILE_SECONDS,
        memory_mb=6000,
        sandbox=bubblewrap.level(),
        waits=False,
        ahead=False,
        clock=clock,
    )
    return launch.execute(spec)


def row(variant: str, clock: Clock, beside: int, found: Run) -> str:
    score = f"{found.score.value:.4f}" if found.score else f"{found.failure}: {found.detail}"
    elsewhere = f"{found.conditions.elsewhere:.0%}" if found.conditions else "-"
    return (
        f"| {variant} | {clock} | {beside} | {found.steps:,} | {score} | {found.train_seconds:.1f} "
        f"| {found.compile_seconds:.1f} | {found.trained_in or 0.0:.0f} | {elsewhere} |"
    )


def main() -> None:
    wanted = parse()
    dataset = context.prepare("stdlib")
    notebook = TrainNotebook.read(ROOT / "notebooks" / "train.ipynb")
    print("| code | clock | busy | steps | val_bpb | trained s | compiled s | in s | elsewhere |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), "clock")
        workspace.create()
        workspace.copy_kit()
        for variant in wanted.variants or PROFILES:
            source = context.with_profile_constants(notebook, PROFILES[variant]).text()
            if variant == "compiled":  # all runs that count have what this one compiles
                run(workspace, dataset, source, Clock.CPU, 1.0)
            for _ in range(wanted.repeats):
                for clock in [wanted.clock] if wanted.clock else list(Clock):
                    for beside in BESIDE:
                        with busy(beside):
                            found = run(workspace, dataset, source, clock, wanted.seconds)
                        print(row(variant, clock, beside, found), flush=True)


if __name__ == "__main__":
    main()
