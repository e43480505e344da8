"""Complete the futures that threads of a campaign promise to its loop."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def complete(future: Future[T], make: Callable[[], T]) -> None:
    """Complete a future with the result of `make`, or with its exception."""
    try:
        future.set_result(make())
    except BaseException as error:  # noqa: BLE001 - raised again by whoever asks for the result
        future.set_exception(error)
