"""Counts what a language model takes, at each request, and holds it against the caps."""

import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_kit.errors import InputError, LimitReached
from autoresearch_kit.files.atomic import append_line
from autoresearch_kit.records import NO_LIMITS, Experiment, Limits, Prices, Usage, codec

logger = logging.getLogger(__name__)

REPLY_TOKENS = 4_000
"""Tokens that a reply is taken to need before it is asked for, unless one needed more before."""


@dataclass(frozen=True)
class Line:
    """The usage of a request that was made for experiment `number`."""

    number: int
    usage: Usage = field(default_factory=Usage)


class Meter:
    """Counts requests in the file `path`, one line each, which a kill -9 does not take away.

    What was spent on an experiment is part of its record; what is counted here for others is in
    flight, and so are requests that are not yet answered. Several threads may ask.
    """

    def __init__(self, path: Path, limits: Limits = NO_LIMITS, prices: Prices | None = None):
        self.path = path
        self._limits = limits
        self._prices = prices or Prices(0.0, 0.0, 0.0)
        self._answered = threading.Condition()
        self._asked: list[int] = []
        self._unread: set[bytes] = set()

    def add(self, number: int, usage: Usage) -> None:
        """Count a request that was made for experiment `number`."""
        with self._answered:
            append_line(self.path, codec.compact(Line(number, usage)))

    def spent_on(self, number: int) -> Usage:
        """Return what the requests for experiment `number` took."""
        return sum((line.usage for line in self._lines() if line.number == number), Usage())

    def in_flight(self, recorded: Collection[int]) -> Usage:
        """Return the usage of experiments that are not recorded yet."""
        return sum((line.usage for line in self._lines() if line.number not in recorded), Usage())

    def total(self, experiments: Sequence[Experiment]) -> Usage:
        """Return what the campaign took: `experiments` are those recorded, the rest in flight.

        A request that was made under a number which a retry took meanwhile may be counted here
        after that was recorded, so that here is more of it than in the record.
        """
        lines = dict[int, Usage]()
        for line in self._lines():
            lines[line.number] = lines.get(line.number, Usage()) + line.usage
        known = (
            max(each.usage, lines.pop(each.number, Usage()), key=lambda usage: usage.tokens)
            for each in experiments
        )
        return sum(known, Usage()) + sum(lines.values(), Usage())

    @contextmanager
    def request(self, experiments: Sequence[Experiment], prompt_tokens: int) -> Iterator[None]:
        """Enclose a request with a prompt of so many tokens, once it fits under the caps.

        It waits while it might not fit beside those that are not answered yet.

        Raises:
            LimitReached: it might not fit alone; the message says how to go on.
        """
        with self._answered:
            self._check(experiments, [prompt_tokens])
            while self._asked and self._over(experiments, [*self._asked, prompt_tokens]):
                self._answered.wait()
                self._check(experiments, [prompt_tokens])
            self._asked.append(prompt_tokens)
        try:
            yield
        finally:
            with self._answered:
                self._asked.remove(prompt_tokens)
                self._answered.notify_all()

    def check(self, experiments: Sequence[Experiment]) -> None:
        """Check that a request may be made once more, since its answer was of no use.

        Raises:
            LimitReached: the caps might not hold.
        """
        with self._answered:
            self._check(experiments, self._asked)

    def _check(self, experiments: Sequence[Experiment], asked: Sequence[int]) -> None:
        if over := self._over(experiments, asked):
            raise LimitReached(over)

    def _over(self, experiments: Sequence[Experiment], asked: Sequence[int]) -> str:
        """Return why requests with these prompts might pass a cap; empty if they can't.

        Each is taken to be answered at the length of the longest answer so far.
        """
        if self._limits.tokens is None and self._limits.usd is None:
            return ""
        spent = self.total(experiments)
        longest = max([REPLY_TOKENS, *(line.usage.tokens_out for line in self._lines())])
        tokens_in, tokens_out = sum(asked), len(asked) * longest
        tokens = spent.tokens + tokens_in + tokens_out
        price = (tokens_in * self._prices.input + tokens_out * self._prices.output) / 1e6
        usd = spent.usd or 0.0
        if self._limits.tokens is not None and tokens > self._limits.tokens:
            return (
                f"{spent.tokens:,} tokens are spent, and the next request could pass the cap of "
                f"{self._limits.tokens:,}; go on with a higher --max-tokens"
            )
        if self._limits.usd is not None and usd + price > self._limits.usd:
            return (
                f"{usd:.2f} USD are spent, and the next request could pass the cap of "
                f"{self._limits.usd:.2f}; go on with a higher --max-usd"
            )
        return ""

    def _lines(self) -> list[Line]:
        try:
            *lines, _ = self.path.read_bytes().split(b"\n")  # the last is not there in whole yet
        except FileNotFoundError:
            return []
        return [line for data in lines if data and (line := self._line(data))]

    def _line(self, data: bytes) -> Line | None:
        """Return the line, or None for one that a full disk cut."""
        try:
            return codec.decode(Line, data)
        except InputError:
            if data not in self._unread:  # what was recorded since then has its cost in git
                logger.warning("%s: a line can't be read, and is not counted", self.path)
            self._unread.add(data)
            return None


def per(usage: Usage, count: int) -> str:
    """Return the cost of one of `count` things: in US dollars where known, else in tokens."""
    if usage.usd is not None:
        return f"{usage.usd / max(1, count):.3f} USD"
    return f"{usage.tokens / max(1, count):,.0f} tokens"
