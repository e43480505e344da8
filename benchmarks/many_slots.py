"""Simulate nights on several slots: what more of them find, and which keeps are false.

    python benchmarks/many_slots.py [--nights 20] [--slots 1 4 16 64]

slots_night.py says what is simulated. The first table has the campaign's rule, at equal hours and
at equal device-hours. The second compares other ways to treat an idea that passed while another was
kept, on the same notebooks.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from slots_night import Landscape, Night, Way

NIGHT_HOURS = 8.0
DEVICE_HOURS = 64.0
GOAL = 0.020


@dataclass(frozen=True)
class Seen:
    """The counts of a night's first hours, and the gains after so many device-hours and hours."""

    keeps: int
    false: int
    ideas: float
    runs: float
    gain: float
    later: float
    goal: float


def simulate(slots: int, way: Way, seed: int, *, useless: bool = False) -> Seen:
    """Simulate a night, and go on until it has had `DEVICE_HOURS`."""
    rng = np.random.default_rng(seed)
    night = Night(slots, way, Landscape(rng, useless=useless), rng)
    night.go_on(NIGHT_HOURS)
    keeps, false = len(night.gains), len(night.false)
    decided, runs = night.decided, night.runs
    if not useless:
        night.go_on(max(NIGHT_HOURS, DEVICE_HOURS / slots))
    goal = next((hours for hours, gain in night.gains if gain >= GOAL), math.inf)
    gain, later = (gain_at(night, hours) for hours in (NIGHT_HOURS, DEVICE_HOURS / slots))
    return Seen(keeps, false, decided / NIGHT_HOURS, runs / decided, gain, later, goal)


def gain_at(night: Night, hours: float) -> float:
    return next((gain for at, gain in reversed(night.gains) if at <= hours), 0.0)


def mean(values: Sequence[float], scale: float = 1.0, digits: int = 1) -> str:
    """Return the mean with its standard error, as text."""
    error = stdev(values) / math.sqrt(len(values))
    return f"{scale * fmean(values):.{digits}f} ± {scale * error:.{digits}f}"


HEAD = """\
| slots | ideas an hour | runs an idea | keeps in 8 h | false | gain in 8 h | hours to 20 \
| gain in 64 device-hours |
|---:|---:|---:|---:|---:|---:|---:|---:|"""


def row(slots: int, seen: Sequence[Seen]) -> str:
    """Return a row of `HEAD`; gains in thousandths of a bit per byte."""
    keeps, false = sum(each.keeps for each in seen), sum(each.false for each in seen)
    reached = [each.goal for each in seen if each.goal < math.inf]
    some = f" ({len(reached)} of {len(seen)} nights)" if len(reached) < len(seen) else ""
    cells = [
        f"{slots}",
        f"{fmean(each.ideas for each in seen):.0f}",
        f"{fmean(each.runs for each in seen):.2f}",
        f"{keeps / len(seen):.1f}",
        f"{false / keeps:.1%} of {keeps}",
        mean([each.gain for each in seen], 1000),
        mean(reached) + some,
        mean([each.later for each in seen], 1000),
    ]
    return f"| {' | '.join(cells)} |"


OTHERS = """
| slots | way | keeps in 8 h | false | gain in 8 h | gain beyond the rule's |
|---:|---|---:|---:|---:|---:|"""


def other_row(slots: int, way: Way, seen: Sequence[Seen], rule: Sequence[Seen]) -> str:
    """Return a row of `OTHERS`, beside the rule's nights with the same seeds."""
    keeps, false = sum(each.keeps for each in seen), sum(each.false for each in seen)
    beyond = [each.gain - other.gain for each, other in zip(seen, rule, strict=True)]
    cells = [
        f"{slots}",
        way.value,
        f"{keeps / len(seen):.1f}",
        f"{false / keeps:.1%} of {keeps}",
        mean([each.gain for each in seen], 1000),
        mean(beyond, 1000),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 4, 16, 64])
    asked = parser.parse_args()
    seeds, rule = range(asked.nights), dict[int, list[Seen]]()
    print(HEAD)
    for slots in asked.slots:
        rule[slots] = [simulate(slots, Way.MERGE, seed) for seed in seeds]
        print(row(slots, rule[slots]), flush=True)
    print(OTHERS)
    for slots in asked.slots[-2:]:
        for way in list(Way)[1:]:
            seen = [simulate(slots, way, seed) for seed in seeds]
            print(other_row(slots, way, seen, rule[slots]), flush=True)
    print("\n| slots | keeps in 8 h where nothing helps |\n|---:|---:|")
    for slots in asked.slots:
        nights = [simulate(slots, Way.MERGE, seed, useless=True) for seed in seeds]
        print(f"| {slots} | {mean([night.keeps for night in nights], digits=2)} |", flush=True)


if __name__ == "__main__":
    main()
