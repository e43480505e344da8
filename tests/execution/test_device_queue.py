"""Whoever came first has the device first, and alone."""

import threading

import pytest

from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution.device_queue import DeviceQueue


def test_in_the_order_in_which_they_came_one_at_a_time() -> None:
    device, order = DeviceQueue(), list[str]()
    threads = []
    with device.held():
        for name in "abc":
            queued = threading.Event()

            def work(name: str = name, queued: threading.Event = queued) -> None:
                with device.held(queued.set):
                    order.append(f"{name} begins")
                    order.append(f"{name} ends")

            threads.append(threading.Thread(target=work))
            threads[-1].start()
            assert queued.wait(60)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]


def test_who_gives_up_waiting_stands_in_nobodys_way() -> None:
    device = DeviceQueue()

    def give_up() -> None:
        raise Cancelled("stopped")

    with device.held():

        def work() -> None:
            with pytest.raises(Cancelled), device.held(give_up):
                pass

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    with device.held(give_up):
        pass


def test_who_fails_leaves_it_free() -> None:
    device = DeviceQueue()
    with pytest.raises(ValueError, match="broken"), device.held():
        raise ValueError("broken")
    with device.held():
        pass
