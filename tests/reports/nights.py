"""Made-up campaigns whose experiments ran on several slots at once."""

import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import Experiment, Noise, Run, SandboxLevel, Slot, SlotUse, Verdict
from autoresearch_kit.reports.rows import Row, rows_of
from tests.ledger.ledger import FINGERPRINT, experiment, score

BEGIN = datetime(2026, 3, 8, 21, tzinfo=UTC)
NOISE = Noise(0.004, 6.0)
RUN_SECONDS = 310.0
IDEAS = ("MATRIX_LR 0.04 -> 0.057", "DEPTH 4 -> 5", "WARMDOWN 0.8 -> 0.65", "drop the soft cap")


def slot_name(at: int, slots: int) -> str:
    return f"gpu{at}" if slots <= 8 else f"node-{at // 8}/gpu{at % 8}"


def run_on(slot: str, value: float | None) -> Run:
    """Return a run of 300 s of training in 310 s."""
    made = Run(0, None, None, "", 300.0, 0.0, RUN_SECONDS, 900, 10**6, 900.0, SandboxLevel.NONE)
    return replace(made, slot=slot, score=None if value is None else score(value))


def moment(seconds: float) -> str:
    return (BEGIN + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def night(experiments: int, slots: int = 4, seed: int = 1) -> list[Experiment]:
    """Return a campaign by number: its experiments finish in another order where slots > 1."""
    rng, names = Random(seed), [slot_name(at, slots) for at in range(slots)]
    baseline = replace(
        experiment(0, idea="baseline"),
        runs=tuple(run_on(names[0], 1.3 + rng.gauss(0, NOISE.sigma)) for _ in range(3)),
        noise=NOISE,
        started=moment(0),
        finished=moment(3 * RUN_SECONDS),
    )
    tried, best, free = [baseline], baseline, dict.fromkeys(names, 3 * RUN_SECONDS)
    begun = []
    for number in range(1, experiments):
        slot = min(free, key=lambda name: free[name])
        start, runs = free[slot], rng.choice((1, 1, 1, 3))
        free[slot] = start + runs * (RUN_SECONDS + rng.uniform(2, 40))
        begun.append((free[slot], number, start, slot, runs))
    truth = 1.3
    for end, number, start, slot, runs in sorted(begun):
        value = truth + rng.uniform(-0.012, 0.02)
        verdict = Verdict.KEEP if value < truth - 0.006 else Verdict.DISCARD
        crashed = rng.random() < 0.07
        verdict = Verdict.CRASH if crashed else verdict
        made = replace(
            experiment(number, value, verdict, idea=rng.choice(IDEAS)),
            runs=tuple(run_on(slot, None if crashed else value) for _ in range(runs)),
            noise=NOISE,
            against=best.number,
            started=moment(start),
            finished=moment(end),
        )
        if verdict is Verdict.KEEP:
            best, truth = made, value
        tried.append(made)
    return sorted(tried, key=lambda each: each.number)


def rows(experiments: int, slots: int = 4) -> tuple[Row, ...]:
    """Return the table of `night`."""
    return rows_of([Entry(each, "", "") for each in night(experiments, slots)])


def use(name: str, number: int = -1, since: float = 0.0, **changed: object) -> SlotUse:
    """Return a slot's use: busy with the first run of an experiment, or free without a number."""
    slot = Slot(
        name,
        platform.node(),
        FINGERPRINT,
        SandboxLevel.NONE,
        f"{number}-c-1" if number >= 0 else "",
    )
    made = SlotUse(slot, number, "wider" if number >= 0 else "", "", since, 3, 900.0, 950.0, 50.0)
    return replace(made, **changed)  # type: ignore[arg-type]


def uses(slots: int, free: Sequence[int] = (), left_out: Sequence[int] = ()) -> tuple[SlotUse, ...]:
    """Return the uses of so many slots; those at `free` do nothing."""
    numbers, made = count(7), []
    for at in range(slots):
        idle = at in free or at in left_out
        one = use(slot_name(at, slots), -1 if idle else next(numbers), 10.0 + at)
        why = "4,000 tokens/s, 40% below its class" if at in left_out else ""
        made.append(replace(one, slot=replace(one.slot, left_out=why)))
    return tuple(made)
