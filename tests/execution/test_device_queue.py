"""Give the device to who came first, alone."""

import threading

import pytest

from autoresearch_kit.errors import Cancelled
from autoresearch_kit.execution.device_queue import DeviceQueue


def test_the_device_is_held_in_order_of_arrival() -> None:
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


def test_giving_up_frees_the_place_in_the_queue() -> None:
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


def test_a_failure_frees_the_device() -> None:
    device = DeviceQueue()
    with pytest.raises(ValueError, match="broken"), device.held():
        raise ValueError("broken")
    with device.held():
        pass
