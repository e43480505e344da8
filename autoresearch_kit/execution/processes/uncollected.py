"""Import torch without collecting garbage: it makes a million objects, and next to no garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage in here, and never examine what was imported in here.

    Otherwise the collector examines it again and again, for an eighth of the time that
    `import torch` takes, and a quarter of the time that `import torch._dynamo` takes.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()
