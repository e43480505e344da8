"""Orders of runs: made under a campaign's settings, submitted to the pool, waited for.

Work that needs runs is a generator: it yields the orders that it wants carried out, is sent the
delivery of each, and returns what they came to. So several ideas can be in flight.
"""

import logging
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TypeVar

from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution.pool import Delivery, Lost, Order, Pool
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Reason

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1

ATTEMPTS = 2
"""Attempts at a run that the kit itself fails."""

T = TypeVar("T")

Steps = Generator[Order, Delivery, T]
"""Work that needs runs: it yields what is to be carried out, and is sent what came of it."""


def order(context: Context, key: str, notebook: TrainNotebook, seed: int, words: str = "") -> Order:
    """Return the order of a run under the campaign's settings."""
    settings = context.settings
    return Order(
        key=key,
        notebook=notebook.text(),
        seed=seed,
        dataset=context.site.data,
        kit=context.site.kit,
        clock=settings.clock,
        train_seconds=settings.train_seconds,
        wall_seconds=settings.wall_seconds,
        compile_seconds=settings.compile_seconds,
        memory_mb=settings.memory_mb,
        gpu_memory_mb=settings.gpu_memory_mb,
        words=words,
    )


def carry_out(wanted: Order) -> Steps[Delivery]:
    """Have a run carried out; a run that the kit itself failed is repeated, once."""
    for attempt in range(1, ATTEMPTS + 1):
        delivery = yield replace(wanted, key=f"{wanted.key}-{attempt}")
        if delivery.run.failure is not Reason.KIT_FAILED:
            break
        logger.warning("run %s, attempt %d: %s", wanted.key, attempt, delivery.run.detail)
        if attempt < ATTEMPTS:
            remove_tree(delivery.folder)
    return delivery


def submit(wanted: Order, pool: Pool, heartbeat: Heartbeat) -> str:
    """Submit what is wanted to the pool, and say so to whoever watches; return its key."""
    pool.submit(wanted)
    if wanted.audits is None:
        folders = [slot.folder for slot in pool.slots() if slot.busy == wanted.key]
        heartbeat.running(folders[0] if folders else "", wanted.words)
    return wanted.key


def wait_for(pool: Pool, heartbeat: Heartbeat) -> Sequence[Delivery | Lost]:
    """Wait until at least one run is over, and show meanwhile that the campaign lives.

    Raises:
        Cancelled: a person asked to stop at once; closing the pool kills all runs.
    """
    while not (over := pool.wait(POLL_SECONDS)):
        if heartbeat.cancelled():
            raise Cancelled("stopped while a run was under way")
    return over


def drive(steps: Steps[T], pool: Pool, heartbeat: Heartbeat) -> T:
    """Carry out what `steps` want, one after the other; return what they come to.

    Raises:
        Cancelled: a person asked to stop at once; closing the pool kills the run.
        KitError: a run can't be carried out.
    """
    try:
        wanted = next(steps)
        while True:
            if heartbeat.cancelled():
                raise Cancelled("stopped before the next run")
            submit(wanted, pool, heartbeat)
            (over,) = wait_for(pool, heartbeat)
            if isinstance(over, Delivery):
                wanted = steps.send(over)
    except StopIteration as ended:
        result: T = ended.value
        return result
