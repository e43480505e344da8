"""Submissions, honest and not."""

from typing import Any


def double(x: Any) -> Any:
    return 2 * x
