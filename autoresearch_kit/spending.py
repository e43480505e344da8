"""What a language model takes: written down at each request, and held against the caps."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_kit import codec
from autoresearch_kit.errors import LimitReached
from autoresearch_kit.records import Experiment, Limits, Prices, Usage

REPLY_TOKENS = 4_000
"""What a reply is taken to need, before it is asked for."""


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Line:
    """One request: made for experiment `number`."""

    number: int
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Meter:
    """Counts requests in the file `path`, one line each, which a kill -9 does not take away.

    An experiment takes what was spent on it along when it is recorded; what stands here for later
    numbers is in flight.
    """

    path: Path
    limits: Limits = NO_LIMITS
    prices: Prices | None = None

    def add(self, number: int, usage: Usage) -> None:
        """Count a request that was made for experiment `number`."""
        line = codec.compact(Line(number, usage)) + b"\n"
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def spent_on(self, number: int) -> Usage:
        """What the requests for experiment `number` took."""
        return _sum([line.usage for line in self._lines() if line.number == number])

    def total(self, experiments: Sequence[Experiment]) -> Usage:
        """What the campaign took: `experiments` are those recorded; the rest is in flight."""
        return total(experiments) + _sum(
            [line.usage for line in self._lines() if line.number >= len(experiments)]
        )

    def check(self, experiments: Sequence[Experiment], prompt_tokens: int) -> None:
        """Look whether a request with so large a prompt fits under the caps.

        Raises:
            LimitReached: it might not; the message says how to go on.
        """
        if self.limits.tokens is None and self.limits.usd is None:
            return
        spent = self.total(experiments)
        tokens = spent.tokens + prompt_tokens + REPLY_TOKENS
        if self.limits.tokens is not None and tokens > self.limits.tokens:
            raise LimitReached(
                f"{spent.tokens:,} tokens are spent, and the next request could pass the cap of "
                f"{self.limits.tokens:,}; go on with a higher --max-tokens"
            )
        usd = (spent.usd or 0.0) + self._price(prompt_tokens)
        if self.limits.usd is not None and usd > self.limits.usd:
            raise LimitReached(
                f"{spent.usd or 0:.2f} USD are spent, and the next request could pass the cap of "
                f"{self.limits.usd:.2f}; go on with a higher --max-usd"
            )

    def _price(self, prompt_tokens: int) -> float:
        if self.prices is None:
            return 0.0
        return (prompt_tokens * self.prices.input + REPLY_TOKENS * self.prices.output) / 1e6

    def _lines(self) -> list[Line]:
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        # a line without its end is one that a full disk cut
        return [codec.decode(Line, line) for line in lines if line.endswith(b"\n")]


def total(experiments: Sequence[Experiment]) -> Usage:
    """What all these experiments took."""
    return _sum([experiment.usage for experiment in experiments])


def per(usage: Usage, count: int) -> str:
    """The cost of one of `count` things: in US dollars where that is known, else in tokens."""
    if usage.usd is not None:
        return f"{usage.usd / max(1, count):.3f} USD"
    return f"{usage.tokens / max(1, count):,.0f} tokens"


def _sum(usages: Sequence[Usage]) -> Usage:
    return sum(usages, Usage())
