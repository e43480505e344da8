"""Measure what only a GPU can show, in at most eight minutes after installing: `make gpu`.

    python benchmarks/gpu.py [--out gpu-report] [--only doctor,tests] [--seconds S]

For a machine with an NVIDIA GPU and a bare Python with torch, without a network: see
`collect_wheels.py` for what travels there. Installs the kit into this Python, then runs the parts
below, each in processes of its own with a time limit, and goes on where one fails. On a CPU all is
smaller. The folder gets a log for each part, `report.md`, which is printed too, and
`everything.tar.gz`. The exit status is 1 where a part failed.
"""

import argparse
import json
import math
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from limited import GRACE_SECONDS, Ended, run_limited

ROOT = Path(__file__).parents[1]
BENCHMARKS = Path(__file__).parent
TOTAL_SECONDS = 480.0
"""Seconds from the end of the installation to the end of all parts."""

ENOUGH_CORES = 8
"""Cores below which parts that could run side by side take turns."""

LOGGED_BYTES = 2_000_000
"""Larger files of the campaign are left out of the archive."""

DOCTOR_ROWS = ("python", "torch", "device", "precision", "profile", "torch.compile", "memory")


@dataclass(frozen=True)
class Size:
    """The amount of work: text, its preparation, seconds of training, and each part's limit.

    `experiments` are those after the baseline. `compiled` are cases of the throughput that are
    compiled beside the tests, since all would not fit into the time one after the other.
    """

    megabytes: float
    prepare: tuple[str, ...]
    cases: tuple[str, ...]
    race_seconds: float
    run_seconds: float
    experiments: int
    model: tuple[str, ...]
    compiled: tuple[str, ...]
    limits: Mapping[str, float]


GPU = Size(
    megabytes=60,
    prepare=("--vocab-size", "8192", "--context", "2048"),
    cases=("0", "2"),
    race_seconds=60,
    run_seconds=30,
    experiments=1,
    model=(),
    compiled=("0",),
    limits={
        "install": 90, "doctor": 60, "tests": 75, "data": 60, "compile": 90,
        "throughput": 240, "campaign": 240,
    },
)  # fmt: skip

CPU = Size(
    megabytes=4,
    prepare=("--vocab-size", "1024", "--context", "128", "--eval-rows", "64"),
    cases=("0", "1"),
    race_seconds=8,
    run_seconds=6,
    experiments=1,
    model=("--small",),
    compiled=(),
    limits={
        "install": 120, "doctor": 90, "tests": 120, "data": 120, "throughput": 200, "campaign": 240,
    },
)  # fmt: skip


Row = tuple[str, str]
"""A measure, and its value in words."""


@dataclass(frozen=True)
class Part:
    """One thing that is measured: its commands, one after the other until one fails."""

    name: str
    commands: Sequence[Sequence[str]]
    rows: Callable[[str], list[Row]]


@dataclass(frozen=True)
class Done:
    """The end of a part, and what it measured."""

    name: str
    ended: Ended
    rows: Sequence[Row]


Dones = Sequence[Done]


@dataclass(frozen=True)
class Place:
    """The folder that stays, and the one that is removed."""

    out: Path
    work: Path

    @property
    def data(self) -> Path:
        """Return prepared data sets."""
        return self.work / "data"

    @property
    def cache(self) -> Path:
        """Return the folder in which torch.compile keeps what it made for the compared models."""
        return self.work / "compile-cache"

    def dataset(self) -> str:
        """Return the name of the data set that was prepared, or that of none."""
        return next((path.parent.name for path in self.data.glob("*/dataset.json")), "none")

    def environment(self) -> dict[str, str]:
        """Return the environment of every part."""
        own = {"AUTORESEARCH_DATA": str(self.data), "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
        return {**os.environ, **own, "PYTHONUNBUFFERED": "1"}


def script(name: str, *options: str) -> list[str]:
    """Return the command of a script beside this one."""
    return [sys.executable, str(BENCHMARKS / name), *options]


def first_parts(size: Size, place: Place) -> list[list[Part]]:
    """Return what does not need the data set; parts of one list may run side by side."""
    kit = str(Path(sys.executable).with_name("autoresearch"))
    text = place.work / "python.jsonl"
    files = [str(path) for path in (ROOT / "tests").rglob("test_*.py") if needs_gpu(path)]
    workers = "3" if side_by_side() else "0"
    pytest = [sys.executable, "-m", "pytest", "-m", "gpu", "-v", "-n", workers, "-W", "default"]
    pytest += ["--dist", "loadfile", "--tb", "short", *files]
    prepare = [
        script("python_text.py", str(text), "--megabytes", f"{size.megabytes:g}"),
        [kit, "prepare", str(text), *size.prepare],
    ]
    return [
        [Part("install", [script("install_offline.py")], table_rows)],
        [
            Part("doctor", [[kit, "doctor", "--json"]], doctor_rows),
            Part("tests", [pytest], last_line),
            Part("data", prepare, table_rows),
            *([Part("compile", [compile_ahead(size, place)], no_rows)] if size.compiled else []),
        ],
    ]


def compile_ahead(size: Size, place: Place) -> list[str]:
    """Return the command that takes one step of the cases to be compiled, on made-up tokens."""
    short = ["--steps", "1", "--repeats", "0", "--cases", *size.compiled]
    return script("throughput.py", *short, "--cache", str(place.cache))


def needs_gpu(path: Path) -> bool:
    return "pytest.mark.gpu" in path.read_text(encoding="utf-8")


def parts_on(size: Size, place: Place) -> list[list[Part]]:
    """Return what trains on the data set, one after the other."""
    dataset = place.dataset()
    on = ["--dataset", dataset, "--train-seconds"]
    race = [*on, f"{size.race_seconds:g}", "--repeats", "0", "--cases", *size.cases]
    race += ["--cache", str(place.cache)]
    campaign = [*on, f"{size.run_seconds:g}", "--experiments", str(size.experiments)]
    campaign += ["--folder", str(place.work / "project"), *size.model]
    return [
        [Part("throughput", [script("throughput.py", *race)], table_rows)],
        [Part("campaign", [script("overhead.py", *campaign)], table_rows)],
    ]


def table_rows(log: str) -> list[Row]:
    """Return a row for each row of the Markdown tables in a log: its name, and all that it says."""
    rows: list[Row] = []
    heads: list[str] = []
    for line in log.splitlines():
        if not line.startswith("|"):
            heads = []
            continue
        name, *cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not name:
            heads = cells
        elif set(line) - set("|-: "):
            names = heads if len(heads) == len(cells) else [""] * len(cells)
            pairs = zip(names, cells, strict=True)
            rows.append((name, "; ".join(f"{head} {cell}".strip() for head, cell in pairs)))
    return rows


def doctor_rows(log: str) -> list[Row]:
    """Return what doctor said of the machine, and every gap."""
    return [
        (one["what"], f"{one['found']}; {one['advice']}".strip("; ")[:150])
        for one in json.loads(log[log.index("[") :])
        if one["what"] in DOCTOR_ROWS or one["advice"]
    ]


def no_rows(_log: str) -> list[Row]:
    """Return nothing: how long the part took is all that there is to say."""
    return []


def last_line(log: str) -> list[Row]:
    """Return pytest's own summary."""
    return [("tests that need a GPU", log.strip().splitlines()[-1].strip("= "))]


def run_part(part: Part, seconds: float, place: Place) -> Done:
    """Run a part for so many seconds at most; return how it ended and what it measured."""
    print(f"{part.name}: {seconds:.0f} s at most", flush=True)
    log = place.out / f"{part.name}.log"
    ended = run_limited(part.commands, log, seconds, place.environment(), ROOT)
    text = log.read_text(encoding="utf-8", errors="replace")
    try:
        rows = part.rows(text)
    except (ValueError, LookupError, TypeError):  # a part that failed may have printed anything
        rows = [("nothing to be read", f"see {log.name}")]
    print(f"{part.name}: {ended}", flush=True)
    return Done(part.name, ended, rows)


def run_group(
    group: Sequence[Part], limits: Mapping[str, float], place: Place, end: float
) -> Dones:
    """Run these parts, side by side where there are cores; none goes on beyond `end`."""

    def one(part: Part) -> Done:
        return run_part(part, min(limits[part.name], end - time.monotonic()), place)

    at_once = len(group) if side_by_side() else 1
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, group))


def side_by_side() -> bool:
    """Return whether there are cores to run parts, and tests, at the same time."""
    return (os.cpu_count() or 1) >= ENOUGH_CORES


def report(done: Dones) -> str:
    """Return one Markdown table of how each part ended, and what it measured."""
    lines = ["| part | measure | value |", "|---|---|---|"]
    for one in done:
        how = "ok" if one.ended.well else "failed"
        lines.append(f"| **{one.name}** | **{how}** | {one.ended} |")
        lines += [f"| {one.name} | {measure} | {value} |" for measure, value in one.rows]
    return "\n".join(lines)


def pack(place: Place) -> None:
    """Put the logs, the report and what the campaign left into one archive."""
    kept = [path for path in place.out.iterdir() if path.suffix in (".log", ".md")]
    project = place.work / "project"
    inside = [*project.glob(".autoresearch/*/*"), *project.glob(".git/**/*")]
    inside += [*project.glob(".autoresearch/*/runs/**/*.log")]
    inside += [*project.glob(".autoresearch/*/runs/**/*.jsonl")]
    small = [p for p in inside if p.is_file() and p.stat().st_size < LOGGED_BYTES]
    with tarfile.open(place.out / "everything.tar.gz", "w:gz") as archive:
        for path in kept:
            archive.add(path, path.name)
        for path in small:
            archive.add(path, f"campaign/{path.relative_to(project)}")


def has_gpu() -> bool:
    """Ask torch, which is there before the kit is.

    Raises:
        SystemExit: it is not.
    """
    try:
        import torch
    except ImportError as error:
        raise SystemExit(
            f"{sys.executable} has no torch ({error}); name one that has: make gpu PYTHON=PATH"
        ) from error
    return torch.cuda.is_available()


def measure(size: Size, place: Place, only: Sequence[str]) -> list[Done]:
    """Run all parts, or only some; what needs the data set fails by itself where there is none."""
    done: list[Done] = []
    end = math.inf
    for make in (first_parts, parts_on):
        for group in make(size, place):
            if wanted := [part for part in group if not only or part.name in only]:
                done += run_group(wanted, size.limits, place, end)
            if end == math.inf:  # the first group installs
                end = time.monotonic() + TOTAL_SECONDS - GRACE_SECONDS
    return done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=ROOT / "gpu-report", help="what stays")
    parser.add_argument("--only", default="", help="some parts, with commas between them")
    parser.add_argument("--seconds", type=float, help="of each training (default: 60 and 30)")
    given = parser.parse_args()
    size = GPU if has_gpu() else CPU
    if given.seconds:
        size = replace(size, race_seconds=given.seconds, run_seconds=given.seconds)
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        place = Place(given.out.resolve(), Path(work))
        done = measure(size, place, [name for name in given.only.split(",") if name])
        table = report(done)
        (place.out / "report.md").write_text(table + "\n", encoding="utf-8")
        pack(place)
    print(f"\n{table}\n\n{place.out / 'everything.tar.gz'} has the rest")
    return 0 if all(one.ended.well for one in done) else 1


if __name__ == "__main__":
    sys.exit(main())
