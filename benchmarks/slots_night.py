"""A simulated night on several slots, by events.

A notebook has 120 knobs, and its score is a quadratic function of them, with couplings. An idea
sets one knob to another value; no two under way set the same one. A run takes 5.4 minutes, and adds
noise of sigma 0.0007. The verdicts are those of decide.py, on noise pooled by robust_sigma.py.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

from autoresearch_kit.records import Arm, Noise, Rule, Verdict
from autoresearch_kit.verdicts import decide, noise
from autoresearch_kit.verdicts.robust_sigma import Group, pool
from autoresearch_kit.verdicts.runs_by_code import BASELINE
from autoresearch_kit.verdicts.samples import Best, Sample

KNOBS = 120
BASELINE_SCORE = 0.998
SIGMA = 0.0007
RUN_HOURS = 5.4 / 60
JITTER = 0.02
"""Spread of a run's length, as a share of it."""

TOGETHER = 3
"""The runs of an idea that go out together once its first left it open."""

POTENTIAL = 0.048
"""The gain at the best values of all knobs, in bits per byte."""

UNEVEN = 2.2
"""Spread of the logarithms of how much knobs matter. With `POTENTIAL`, `CHOSEN` and `STEP` it was
chosen so that the greedy rule gains 0.028 with 125 ideas, as karpathy/autoresearch's log has it."""

CHOSEN = 1.0
"""Power of a knob's effect by which researchers choose it more often."""

STEP = 1.0
"""Spread of the change of a knob, in units of its distance from its best value at first."""

COUPLED = 0.3
"""Size of the couplings beside the knobs' own curvature."""

Floats = npt.NDArray[np.float64]


class Way(Enum):
    """A way to treat ideas that passed against their base, when the best has moved since."""

    MERGE = "merge, three fresh runs (the rule)"
    FULL_BAR = "merge, through the full bar"
    STALE = "no merge: stale code against today's best"
    NO_RUN = "merge and keep without a run"
    GREEDY = "greedy: one run each, merged code too"


class Landscape:
    """A score as a quadratic function of the knobs, all of them 0 in the baseline."""

    def __init__(self, rng: np.random.Generator, *, useless: bool) -> None:
        size = np.exp(UNEVEN / 2 * rng.standard_normal(KNOBS))
        self.chosen = size**CHOSEN
        mixed = rng.standard_normal((KNOBS, KNOBS)) / math.sqrt(KNOBS)
        coupled = np.eye(KNOBS) + COUPLED * mixed @ mixed.T
        self._curvature = size[:, None] * coupled * size
        self._ideal = rng.standard_normal(KNOBS)
        loss = float(self._ideal @ self._curvature @ self._ideal)
        self._curvature *= 0.0 if useless else POTENTIAL / loss

    def score(self, knobs: Floats) -> float:
        """Return the true score in bits per byte."""
        off = knobs - self._ideal
        at_first = float(self._ideal @ self._curvature @ self._ideal)
        return BASELINE_SCORE - at_first + float(off @ self._curvature @ off)


@dataclass(eq=False)
class Code:
    """One code: the knob that its idea sets, what it was built on, and the scores of its runs.

    `again` are re-runs while it is the best, or others wait for them. Of its base's re-runs those
    from `since` on are beside it. `under_way` are its runs and re-runs that are not over.
    """

    number: int
    knobs: Floats
    truth: float
    knob: int = -1
    base: "Code | None" = None
    since: int = 0
    merged: bool = False
    scores: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    under_way: dict[Arm, list["Job"]] = field(default_factory=lambda: {arm: [] for arm in Arm})

    def beside(self) -> list[float]:
        """Return the scores of its base's re-runs beside it."""
        return self.base.again[self.since :] if self.base else []


@dataclass(eq=False)
class Job:
    """A run of a code for its own idea, or as the best of others."""

    code: Code
    arm: Arm
    cancelled: bool = False
    begun: bool = False


@dataclass
class Night:
    """A night on so many slots, by events; `gains` are the best's true gains and their hours."""

    slots: int
    way: Way
    landscape: Landscape
    rng: np.random.Generator
    hours: float = 0.0
    runs: int = 0
    ideas: int = 0
    decided: int = 0
    gains: list[tuple[float, float]] = field(default_factory=list)
    false: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free = self.slots
        self._ends: list[tuple[float, int, Job]] = []
        self._queue = deque[Job]()
        self._open = list[Code]()
        self._groups = list[Group]()
        knobs = np.zeros(KNOBS)
        self._best = Code(BASELINE, knobs, self.landscape.score(knobs))
        self._kept = [self._best]
        for _ in range(1 if self.way is Way.GREEDY else TOGETHER):
            self._order(self._best, Arm.CHALLENGER)

    @property
    def _rule(self) -> Rule:
        return Rule.GREEDY if self.way is Way.GREEDY else Rule.CAREFUL

    def go_on(self, hours: float) -> None:
        """Simulate up to this time."""
        self._fill()
        while self._ends[0][0] <= hours:
            self.hours, _, job = heappop(self._ends)
            if not job.cancelled:
                self._free += 1
                self._over(job)
            self._fill()

    def _fill(self) -> None:
        """Give the free slots repeats first, then new ideas, once the baseline has a score."""
        while self._free:
            if self._queue:
                self._begin(self._queue.popleft())
            elif self._kept[0].scores:
                self._propose()
            else:
                return

    def _propose(self) -> None:
        """Have a knob changed that no idea under way changes."""
        chances = self.landscape.chosen.copy()
        chances[[code.knob for code in self._open]] = 0.0
        knob = int(self.rng.choice(KNOBS, p=chances / chances.sum()))
        knobs = self._best.knobs.copy()
        knobs[knob] += STEP * self.rng.standard_normal()
        self.ideas += 1
        self._open.append(self._code(self.ideas, knobs, knob))
        self._order(self._open[-1], Arm.CHALLENGER)

    def _code(self, number: int, knobs: Floats, knob: int, *, merged: bool = False) -> Code:
        base, truth = self._best, self.landscape.score(knobs)
        return Code(number, knobs, truth, knob, base, len(base.again), merged=merged)

    def _order(self, code: Code, arm: Arm) -> None:
        job = Job(code, arm)
        code.under_way[arm].append(job)
        self._queue.append(job)

    def _begin(self, job: Job) -> None:
        if job.cancelled:
            return
        job.begun = True
        self._free -= 1
        self.runs += 1
        end = self.hours + RUN_HOURS * (1 + JITTER * self.rng.standard_normal())
        heappush(self._ends, (end, self.runs, job))

    def _over(self, job: Job) -> None:
        code = job.code
        code.under_way[job.arm].remove(job)
        scores = code.scores if job.arm is Arm.CHALLENGER else code.again
        scores.append(code.truth + SIGMA * self.rng.standard_normal())
        waiting = [code] if code in self._open else [c for c in self._open if c.base is code]
        for each in waiting:
            self._judge(each)

    def _judge(self, code: Code) -> None:
        """Decide about an open idea that has a score, or have what is missing run."""
        if self.way is Way.STALE and code.base is not self._best:
            code.base, code.since = self._best, 0
        base = code.base
        if base is None or code not in self._open or not code.scores or not self._known(base):
            return
        before = (*base.scores, *base.again[: code.since])
        best = Best(before, 1, tuple(code.beside()))
        own, known = Sample(tuple(code.scores), 1), self._noise(code)
        decided = decide.decide(own, best, known, self._rule, merged=code.merged)
        if isinstance(decided, Arm):
            self._ask(code, base, decided)
            return
        self._end(code)
        if decided.verdict is Verdict.KEEP:
            self._passed(code)

    def _known(self, base: Code) -> bool:
        """Return whether ideas can be compared with this code."""
        return bool(base.scores or base.again)

    def _noise(self, code: Code) -> Noise:
        kept = [Group(each.number, tuple(each.again)) for each in self._kept if each.again]
        groups = [*self._groups, *kept, self._group(code)]
        first = self._kept[0].scores
        groups.append(Group(BASELINE, tuple(first)))
        return pool(groups, noise.prior(first[0], accelerator=True))

    def _group(self, code: Code) -> Group:
        return Group(code.number, tuple(code.scores[0 if code.merged else 1 :]))

    def _ask(self, code: Code, base: Code, arm: Arm) -> None:
        """Order the runs that are missing: several together, where there are several slots."""
        together = 0 if self.slots == 1 else TOGETHER
        own = max(together, len(code.scores) + (arm is Arm.CHALLENGER))
        again = max(together - 1, len(code.beside()) + (arm is Arm.BEST))
        missing = {Arm.CHALLENGER: own - len(code.scores), Arm.BEST: again - len(code.beside())}
        if code.merged:
            missing[Arm.BEST] = 0
        for each, source in ((Arm.CHALLENGER, code), (Arm.BEST, base)):
            for _ in range(missing[each] - len(source.under_way[each])):
                self._order(source, each)

    def _end(self, code: Code) -> None:
        """End an idea, with its runs under way, and re-runs that nobody waits for any more."""
        self.decided += 1
        self._open.remove(code)
        if self._group(code).dof > 0:
            self._groups.append(self._group(code))
        self._cancel(code, Arm.CHALLENGER)
        base = code.base
        waited_for = any(each.base is base and each.scores for each in self._open)
        if base and not waited_for and len(base.scores) + len(base.again) >= TOGETHER:
            self._cancel(base, Arm.BEST)

    def _cancel(self, code: Code, arm: Arm) -> None:
        for job in code.under_way[arm]:
            job.cancelled = True
            self._free += job.begun
        code.under_way[arm].clear()

    def _passed(self, code: Code) -> None:
        """Keep it where it was built on the best of now; else merge it, in the night's way."""
        base, best = code.base, self._best
        if base is best or base is None:
            self._keep(code)
            return
        knobs = best.knobs.copy()
        knobs[code.knob] = code.knobs[code.knob]
        # where both set the knob, the researcher is asked again, and says the same
        conflict = best.knobs[code.knob] != base.knobs[code.knob]
        merged = self._code(code.number, knobs, code.knob, merged=not conflict)
        self.decided -= 1
        if self.way is Way.NO_RUN and not conflict:
            self.decided += 1
            self._keep(merged)
            for _ in range(TOGETHER):
                self._order(merged, Arm.BEST)
            return
        if self.way is Way.FULL_BAR:
            merged.merged = False
        self._open.append(merged)
        several = merged.merged and self.way is not Way.GREEDY
        for _ in range(TOGETHER if several else 1):
            self._order(merged, Arm.CHALLENGER)

    def _keep(self, code: Code) -> None:
        if code.truth >= self._best.truth:
            self.false.append(self.hours)
        self._best = code
        self._kept.append(code)
        self.gains.append((self.hours, self._kept[0].truth - code.truth))
        if self.way is Way.STALE:
            for each in list(self._open):
                self._judge(each)
