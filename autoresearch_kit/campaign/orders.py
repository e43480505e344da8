"""Orders of runs: made under a campaign's settings, wanted by work that needs runs.

Work that needs runs is a generator, so that many ideas can be in flight: it yields the orders that
it wants carried out now, and is sent each delivery of these, or None a few times a second, when it
may look whether something else has happened.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.errors import Cancelled, ExecutionError
from autoresearch_kit.execution.pool import Delivery, Order, Pool
from autoresearch_kit.files.removal import remove_tree
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import Reason

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1

ATTEMPTS = 2  # attempts at a run that the kit itself fails

MOST_LOST = 3
"""Times that a run is lost with its slot before it is taken for a failure: its code may end the
machines that it runs on."""

T = TypeVar("T")

Steps = Generator[Sequence[Order], Delivery | None, T]
"""Work that needs runs. It yields orders, which may be none, and is sent their deliveries."""


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


def seed_of(words: str) -> int:
    """Return a seed of the kit's own choosing, so that no edit can fix its luck."""
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:4])


def delivered(wanted: Order) -> Steps[Delivery]:
    """Have an order carried out; return its delivery."""
    delivery = yield [wanted]
    while delivery is None or delivery.key != wanted.key:
        delivery = yield ()
    return delivery


def until(happened: Callable[[], bool]) -> Steps[None]:
    """Wait until `happened` returns True, without ordering a run."""
    while not happened():
        yield ()


def together(
    works: Sequence[Steps[T]], enough: Callable[[Mapping[int, T]], bool] = lambda _: False
) -> Steps[dict[int, T]]:
    """Do several works at once; return what each came to, by its index.

    As soon as `enough` says so of those that are over, the others are given up.
    """
    results, whose = dict[int, T](), dict[str, int]()
    delivery: Delivery | None = None
    while len(results) < len(works):
        asked = list(range(len(works)))
        if delivery is not None:  # a run that was given up before is nobody's
            asked = [whose[delivery.key]] if delivery.key in whose else []
        orders = list[Order]()
        for index in asked:
            if index in results:
                continue
            try:
                wanted = works[index].send(delivery)
            except StopIteration as ended:
                results[index] = ended.value
                continue
            orders += wanted
            whose |= {order.key: index for order in wanted}
        if len(results) < len(works):
            if enough(results):
                break
            delivery = yield orders
    return dict(sorted(results.items()))


def carry_out(wanted: Order) -> Steps[Delivery]:
    """Have a run carried out; a run that the kit itself failed is repeated, once."""
    for attempt in range(1, ATTEMPTS + 1):
        delivery = yield from delivered(replace(wanted, key=f"{wanted.key}-{attempt}"))
        if delivery.run.failure is not Reason.KIT_FAILED:
            break
        logger.warning("run %s, attempt %d: %s", wanted.key, attempt, delivery.run.detail)
        if attempt < ATTEMPTS:
            remove_tree(delivery.folder)  # if no other idea that waited for it was faster
    return delivery


def drive(steps: Steps[T], pool: Pool, heartbeat: Heartbeat) -> T:
    """Carry out the orders of `steps` on a pool; return the result of `steps`.

    A run that is lost with its slot is carried out again.

    Raises:
        Cancelled: a person asked to stop at once; closing the pool kills the run.
        KitError: a run can't be carried out, or was lost `MOST_LOST` times.
    """
    asked, lost = dict[str, Order](), Counter[str]()
    try:
        wanted = next(steps)
        while True:
            if heartbeat.cancelled():
                raise Cancelled("stopped while a run was under way")
            for each in wanted:
                pool.submit(each)
                asked[each.key] = each
                folders = [slot.folder for slot in pool.slots() if slot.busy == each.key]
                heartbeat.running(folders[0] if folders else "", each.words)
            over = pool.wait(POLL_SECONDS)
            for ended in over:
                if isinstance(ended, Delivery):
                    wanted = steps.send(ended)
                    continue
                lost[ended.key] += 1
                if lost[ended.key] == MOST_LOST:
                    raise ExecutionError(
                        f"run {ended.key} was lost {MOST_LOST} times, the last time with "
                        f"{ended.slot}: {ended.why}"
                    )
                wanted = [asked[ended.key]]
            if not over:
                wanted = steps.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
