"""How long to wait before a server is asked again."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

AGAIN = frozenset({408, 409, 425, 429, *range(500, 600)})
"""HTTP statuses after which the same request may succeed."""


@dataclass(frozen=True)
class Patience:
    """How often a request is made, and the seconds in between and for an answer.

    A server that asks for more than `most` seconds is taken to be down.
    """

    tries: int = 5
    first: float = 1.0
    longest: float = 30.0
    most: float = 120.0
    timeout: float = 30.0


def backoff(attempt: int, patience: Patience) -> float:
    """Seconds to wait after the `attempt`th failure (from 0): exponential, with full jitter.

    After https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    return random.uniform(0.0, min(patience.longest, patience.first * 2**attempt))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that a server asks to wait; None if it says nothing that can be understood."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(number) else max(0.0, number)
