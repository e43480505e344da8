"""Give each device to who came first, alone."""

import threading

import pytest

from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution.device_queue import DeviceQueue


def test_devices_are_given_in_order_of_arrival() -> None:
    queue = DeviceQueue(("gpu0", "gpu1"))
    first, second, third, fourth = (queue.ask() for _ in range(4))
    assert [first.device, second.device, third.device] == ["gpu0", "gpu1", ""]
    queue.leave(second)
    assert (third.device, fourth.device) == ("gpu1", "")


def test_who_waits_for_one_device_holds_up_nobody_else() -> None:
    queue = DeviceQueue(("gpu0", "gpu1"))
    first, pinned, other = queue.ask(), queue.ask("gpu0"), queue.ask()
    assert (first.device, pinned.device, other.device) == ("gpu0", "", "gpu1")
    queue.leave(first)
    assert pinned.device == "gpu0"


def test_a_thread_waits_until_it_has_a_device() -> None:
    queue, had = DeviceQueue(("cpu0",)), list[str]()
    held, waiting = queue.ask(), threading.Event()

    def work() -> None:
        with queue.held(queue.ask(), waiting.set) as device:
            had.append(device)

    thread = threading.Thread(target=work)
    thread.start()
    assert waiting.wait(60)
    assert had == []
    queue.leave(held)
    thread.join()
    assert had == ["cpu0"]


def test_giving_up_frees_the_place_in_the_queue() -> None:
    queue = DeviceQueue(("cpu0",))

    def give_up() -> None:
        raise Cancelled("stopped")

    held = queue.ask()
    with pytest.raises(Cancelled), queue.held(queue.ask(), give_up):
        pass
    queue.leave(held)
    assert queue.ask().device == "cpu0"


def test_a_failure_frees_the_device() -> None:
    queue = DeviceQueue(("cpu0",))
    with pytest.raises(ValueError, match="broken"), queue.held(queue.ask()):
        raise ValueError("broken")
    assert queue.ask().device == "cpu0"
