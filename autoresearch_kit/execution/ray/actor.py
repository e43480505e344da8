"""The actor of a device: brings the kit to its node, then lets the kit carry out orders.

Ray pickles it by value, so that a node needs no kit of its own; hence it imports only the standard
library, and `transfer`, which is pickled with it.
"""

import importlib
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch_kit.execution.ray.transfer import Piece, SentFolder, Store

if TYPE_CHECKING:
    from autoresearch_kit.execution.ray.node import NodeSlot

NODE_MODULE = "autoresearch_kit.execution.ray.node"

CACHE = "AUTORESEARCH_NODE"
"""Environment variable of a node: the folder of what is brought there, and of its runs."""

USUAL_CACHE = "~/.cache/autoresearch_kit/node"


class SlotActor:
    """Has one device of a node to itself, for one campaign. Two of its methods may run at once."""

    def __init__(self) -> None:
        self._cache = Path(os.environ.get(CACHE) or USUAL_CACHE).expanduser()
        self._store = Store(self._cache)
        self._slot: NodeSlot | None = None
        self._opening = threading.Lock()

    def there(self) -> None:
        """Do nothing: an answer shows that the actor lives."""

    def begin(self, sent: SentFolder) -> bool:
        """Return True if the folder is to be sent, as `Store.begin`."""
        return self._store.begin(sent)

    def take(self, sent: SentFolder, some: Sequence[Piece]) -> None:
        """Take in some of a folder."""
        self._store.take(sent, some)

    def end(self, sent: SentFolder) -> None:
        """Take the folder in for good."""
        self._store.end(sent)

    def open(self, setup: bytes, kit: SentFolder, data: SentFolder, *, gpu: bool) -> bytes:
        """Open the slot, by the kit that was brought; return its report.

        `gpu`: this actor was lent a GPU. Raises what the kit does where the node can't be used.
        """
        sys.path.insert(0, str(self._store.folder(kit)))
        module = importlib.import_module(NODE_MODULE)
        with self._opening:
            self._slot = slot = module.open_slot(
                setup, self._cache, self._store.folder(kit), self._store.folder(data), gpu=gpu
            )
        report: bytes = slot.report
        return report

    def carry_out(self, order: bytes, folder: str) -> Mapping[str, bytes]:
        """Carry out an order, as `NodeSlot.carry_out`."""
        assert self._slot is not None
        return self._slot.carry_out(order, folder)

    def cancel(self) -> None:
        """End the order that is carried out."""
        if self._slot is not None:
            self._slot.cancel()

    def close(self) -> None:
        """End the order that is carried out, and wait until nothing of it is left."""
        with self._opening:
            if self._slot is not None:
                self._slot.close()
