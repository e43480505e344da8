from datetime import UTC, datetime

import pytest

from autoresearch_kit.tasks.lm.retry import Patience, backoff, retry_after

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 +99999999999999999999"}, None),
        ({}, None),
    ],
)
def test_what_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_waits_grow_up_to_a_bound() -> None:
    patience = Patience(first=1.0, longest=8.0)
    most = [max(backoff(attempt, patience) for _ in range(300)) for attempt in range(6)]
    assert most[0] <= 1.0 < most[2] <= 4.0 < most[5] <= 8.0
