"""Join a Ray cluster as its driver, or say in one line why that can't be done."""

import logging
import os
import socket
import threading
from collections.abc import Callable

from autoresearch_kit.errors import KitError

ANSWER_SECONDS = 5.0
"""Seconds for the head node to answer at its port: Ray itself tries for many minutes."""

JOIN_SECONDS = 90.0  # seconds for joining; on a machine that is not busy it takes 3

ENVIRONMENT = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
"""The driver's environment, where the user's has nothing else."""


class Unreachable(KitError):  # noqa: N818 - the state of a cluster
    """The cluster can't be joined; `again`: later it may be there again."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


def set_environment() -> None:
    """Set the driver's environment; before Ray is imported, which reads some of it then."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def join(address: str, on_silence: Callable[[Unreachable], None]) -> None:
    """Join the cluster at `address`, or the one of this machine (`auto`).

    `on_silence` is called from another thread where Ray says nothing for `JOIN_SECONDS`.

    Raises:
        Unreachable: it can't be joined.
    """
    import ray  # here, so that its absence can be told
    from ray.exceptions import AuthenticationError

    if address != "auto":
        _check_answers(address)
    silent = Unreachable(f"the Ray cluster at {address} does not answer", again=True)
    timer = threading.Timer(JOIN_SECONDS, on_silence, [silent])
    timer.daemon = True
    timer.start()
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except AuthenticationError as error:
        raise Unreachable(_token(str(error)), again=False) from error
    except ConnectionError as error:
        raise Unreachable(_not_joined(address, error), again=True) from error
    except (RuntimeError, ValueError) as error:
        raise Unreachable(_refused(address, str(error)), again=False) from error
    finally:
        timer.cancel()


def _check_answers(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise Unreachable(
            f"'{address}' is no address of a Ray cluster: give HOST:PORT, as `ray start --head` "
            "prints it, or ray, or auto",
            again=False,
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        raise Unreachable(
            f"no Ray answers at {address} ({error.strerror or error}); start it there: "
            "ray start --head; then go on",
            again=True,
        ) from error


def _token(said: str) -> str:
    first = said.split(". ")[0]
    return (
        f"the Ray cluster wants a token, and {first}; copy ~/.ray/auth_token from its head node, "
        "or set RAY_AUTH_TOKEN_PATH"
    )


def _not_joined(address: str, error: ConnectionError) -> str:
    if "Could not find any running Ray" in str(error):
        return (
            "this machine belongs to no Ray cluster; start one (ray start --head), join one (ray "
            "start --address=HOST:PORT), give its address (--pool HOST:PORT), or --pool auto"
        )
    return (
        f"the Ray cluster at {address} refuses this machine: its token is another one, or it "
        "stops just now; copy ~/.ray/auth_token from its head node"
    )


def _refused(address: str, said: str) -> str:
    if "Version mismatch" not in said:
        return f"the Ray cluster at {address} can't be joined: {said}"
    parts = [line.strip() for line in said.splitlines() if line.strip().startswith(("Ray:", "Py"))]
    theirs, ours = ", ".join(parts[:2]), ", ".join(parts[2:4])
    return (
        f"the Ray cluster at {address} has another version ({theirs}; here {ours}): install the "
        "same on all machines"
    )
