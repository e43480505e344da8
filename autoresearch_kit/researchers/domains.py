"""The values that a constant may take in a search.

A range in the constant's comment is a person's word and binds. Without one the range is derived
from the baseline's value, and widened around the best's value once that reaches its edge.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from autoresearch_kit.notebook.constants import ConstantSpec, Fixed, OneOf, Span
from autoresearch_kit.records import Constant

REACH = 8.0  # a derived range of floats goes from value / 8 to value * 8
INT_REACH = 4
"""A derived range of ints goes from value / 4 to value * 4: sizes cost memory and time."""

STEP = 0.12
"""The typical step near the best, as a share of the range (of its logarithm, if logarithmic)."""

DIGITS = 4  # significant digits of a proposed float: finer than any measured noise, short to read


@dataclass(frozen=True)
class Numbers:
    """Numbers from `low` to `high`; ints in multiples of `grid`, counted from `low`."""

    low: float
    high: float
    log: bool
    whole: bool
    grid: int = 1

    @property
    def single(self) -> bool:
        """Return True if there is nothing to choose."""
        return self.low >= self.high

    def nearest(self, value: Constant) -> Constant:
        """Return the value nearest to `value` in the range, rounded as proposals are."""
        number = float(value)
        if self.whole:
            number = self.low + self.grid * round((number - self.low) / self.grid)
            return int(min(max(number, self.low), self.high))
        return min(max(_rounded(number), self.low), self.high)

    def draw(self, rng: random.Random) -> Constant:
        """Draw a value from anywhere in the range."""
        scaled = rng.uniform(self._scaled(self.low), self._scaled(self.high))
        return self.nearest(self._back(scaled))

    def step(self, value: Constant, direction: int, rng: random.Random) -> Constant:
        """Draw a value a step away from `value`: up for +1, down for -1, either for 0.

        Steps are normally distributed on the range's scale, but for the smallest third of them,
        which would drown in noise. From an edge the step goes back into the range.
        """
        size = 0.0
        while abs(size) < 0.4:
            size = rng.gauss(0, 1)
        sign = direction or math.copysign(1, size)
        moved = self._moved(value, sign * abs(size))
        return self._moved(value, -sign * abs(size)) if moved == value else moved

    def _moved(self, value: Constant, steps: float) -> Constant:
        width = self._scaled(self.high) - self._scaled(self.low)
        moved = self.nearest(self._back(self._scaled(float(value)) + steps * STEP * width))
        if self.whole and moved == value:
            return self.nearest(float(value) + math.copysign(self.grid, steps))
        return moved

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _back(self, scaled: float) -> float:
        return math.exp(scaled) if self.log else scaled


@dataclass(frozen=True)
class Choice:
    """A constant that takes any of these values."""

    options: tuple[Constant, ...]

    @property
    def single(self) -> bool:
        """Return True if there is nothing to choose."""
        return len(self.options) < 2

    def draw(self, rng: random.Random) -> Constant:
        """Draw any of the values."""
        return rng.choice(self.options)

    def nearest(self, value: Constant) -> Constant | None:
        """Return the value itself; None where it is not among the options any more."""
        return value if value in self.options else None

    def step(self, value: Constant, direction: int, rng: random.Random) -> Constant:  # noqa: ARG002
        """Draw any of the other values: they have no direction."""
        return rng.choice([option for option in self.options if option != value])


Domain = Numbers | Choice


def find_domains(
    specs: Mapping[str, ConstantSpec], baseline: Mapping[str, Constant]
) -> dict[str, Domain]:
    """Return the domains of the constants that a search may change, by name.

    `specs` are the best's; `baseline` the baseline's values.
    """
    domains = {name: _domain(spec, baseline.get(name, spec.value)) for name, spec in specs.items()}
    return {name: domain for name, domain in domains.items() if domain and not domain.single}


def _domain(spec: ConstantSpec, baseline: Constant) -> Domain | None:
    value = spec.value
    if isinstance(spec.range, Fixed):
        return None
    if isinstance(spec.range, OneOf):
        return Choice(tuple(dict.fromkeys((*spec.range.options, value))))
    if isinstance(value, bool):
        return Choice((False, True))
    if isinstance(value, str):
        return None
    if isinstance(spec.range, Span):  # widened to a best outside of it, rewritten with the code
        low, high = min(spec.range.low, value), max(spec.range.high, value)
        return Numbers(low, high, spec.range.log and low > 0, whole=isinstance(value, int))
    return _derived(baseline, value)


def _derived(baseline: Constant, value: float) -> Numbers | None:
    """Return a range around the baseline's value, widened around `value` once that is outside."""
    if type(baseline) is not type(value) or not isinstance(baseline, int | float):
        baseline = value
    domain, around = _around(baseline), _around(value)
    if domain and domain.low < value < domain.high:
        return domain
    if domain is None or around is None:
        return around
    low, high = min(domain.low, around.low), max(domain.high, around.high)
    grid = math.gcd(domain.grid, around.grid)
    return replace(domain, low=low, high=high, grid=grid, log=domain.log and around.log)


def _around(value: float) -> Numbers | None:
    """Derive a range from a value; none from zero or less, which has no natural scale.

    Ints keep a divisor of theirs (192 stays a multiple of 48), since sizes must fit each other.
    Fractions from one half up have their distance to 1 as their scale (0.95: 0.6 to 0.994).
    """
    if value <= 0:
        return None
    if isinstance(value, int):
        least = max(1, value // INT_REACH)
        return Numbers(least, value * INT_REACH, log=True, whole=True, grid=math.gcd(value, least))
    if 0.5 <= value < 1:
        rest = 1 - value
        low = max(value / REACH, 1 - rest * REACH)
        return Numbers(_rounded(low), _rounded(1 - rest / REACH), log=False, whole=False)
    high = min(value * REACH, 1.0) if value < 1 else value * REACH
    return Numbers(_rounded(value / REACH), _rounded(high), log=True, whole=False)


def _rounded(value: float) -> float:
    """Return `value` in four significant digits, without float noise."""
    return round(value, DIGITS - 1 - math.floor(math.log10(abs(value)))) if value else value
