"""For imports of torch: they make a million objects, and next to no garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage meanwhile, and never look at what was imported afterwards.

    Else the collector looks at all of it again and again, for an eighth of the time that
    `import torch` takes, and a quarter of that of `import torch._dynamo`.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()
