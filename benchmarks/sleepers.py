"""A campaign whose slots sleep instead of training; all that it decides and writes is real."""

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path

from autoresearch_kit.campaign.context import Context
from autoresearch_kit.campaign.heartbeat import Heartbeat
from autoresearch_kit.campaign.parts import Parts
from autoresearch_kit.campaign.probing import Probing
from autoresearch_kit.campaign.proposing import Proposing
from autoresearch_kit.execution import handover
from autoresearch_kit.execution.devices import Device
from autoresearch_kit.execution.local import LocalPool, Site, new_folder
from autoresearch_kit.execution.pool import DataRef, Delivery, Lost, Order
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.records import (
    DatasetInfo,
    Fingerprint,
    Limits,
    Machine,
    Proposal,
    Run,
    SandboxLevel,
    Score,
    Settings,
    Slot,
    VisibleFiles,
)
from autoresearch_kit.researchers import Researcher, Turns, View
from autoresearch_kit.researchers.optuna import OptunaResearcher
from autoresearch_kit.researchers.spending import Meter

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "train.ipynb"

TRAIN_SECONDS = 300.0
JITTER = 0.02
SIGMA = 0.0007
STEPS = 1500

SETTINGS = Settings("stdlib", TRAIN_SECONDS, 660.0, 60.0, 4000.0, "sets", "as-is")
FINGERPRINT = Fingerprint("c", "t", "p", "s", "2.13", "cpu")
MACHINE = Machine("a processor", False, "float32", True, 2, 8000.0, "2.13", "3.11", "Linux")
INFO = DatasetInfo("d", 64, 32, 8, 900, 90, 90, 900, 90, 90, "c", "t", "p", 8.0)
DATA = DataRef("d", "c-t-p")


@dataclass
class Sleepers:
    """A pool of slots that sleep for so many `seconds` a run, give or take `JITTER` of it.

    `idle` has the seconds for which a slot had nothing to do before each run but its first,
    `own_cpu` the CPU seconds that the pool itself took.
    """

    count: int
    seconds: float
    runs: Path
    own_cpu: float = 0.0
    idle: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(0)
        self._busy: dict[str, tuple[str, Delivery]] = {}
        self._free = dict.fromkeys((f"cpu{at}" for at in range(self.count)), math.inf)
        self._ends: list[tuple[float, str]] = []
        curve = [{"step": step, "loss": 3 + 1 / (step + 1)} for step in range(STEPS)]
        self._curve = "".join(f"{json.dumps(each)}\n" for each in curve)

    def slots(self) -> Sequence[Slot]:
        """Return the slots, the busy ones first."""
        busy = [_slot(name, key, delivery.folder) for key, (name, delivery) in self._busy.items()]
        return busy + [_slot(name) for name in self._free]

    def submit(self, order: Order) -> None:
        """Begin to sleep on the order's slot; an audit is over at once."""
        begun = time.process_time()
        name, seconds = order.slot, 0.0
        since = self._free.pop(name)
        if since < math.inf:
            self.idle.append(time.monotonic() - since)
        if order.audits:
            delivery = Delivery(order.key, order.audits.run, order.audits.folder, name)
        else:
            delivery = Delivery(order.key, self._run(order, name), self._folder(order), name)
            seconds = self.seconds * (1 + JITTER * self._rng.gauss(0, 1))
        self._busy[order.key] = name, delivery
        heappush(self._ends, (time.monotonic() + seconds, order.key))
        self.own_cpu += time.process_time() - begun

    def wait(self, seconds: float) -> Sequence[Delivery | Lost]:
        """Return the runs whose time is over."""
        first = self._ends[0][0] if self._ends else time.monotonic() + seconds
        time.sleep(max(0.0, min(seconds, first - time.monotonic())))
        delivered = list[Delivery]()
        while self._ends and self._ends[0][0] <= time.monotonic():
            end, key = heappop(self._ends)
            if key in self._busy:
                name, delivery = self._busy.pop(key)
                self._free[name] = end
                delivered.append(delivery)
        return delivered

    def cancel(self, key: str) -> None:
        """Free the slot at once."""
        name, _ = self._busy.pop(key)
        self._free[name] = time.monotonic()

    def close(self) -> None:
        """End all."""
        self._busy.clear()

    def _run(self, order: Order, slot: str) -> Run:
        value = 1.2 + SIGMA * self._rng.gauss(0, 1)
        score = Score("val_bpb", value, 800_000.0, 960_000, 262_144, 1e-6, 5.0)
        wall, tokens = TRAIN_SECONDS + 20, 2048 * STEPS
        parts = {"start": 1.0, "submit": 0.5, "score": 8.0, "shutdown": 0.2}
        level = SandboxLevel.BUBBLEWRAP
        return Run(
            order.seed,
            score,
            None,
            "",
            TRAIN_SECONDS,
            5.0,
            wall,
            STEPS,
            tokens,
            900.0,
            level,
            parts,
            slot=slot,
        )

    def _folder(self, order: Order) -> Path:
        folder = new_folder(self.runs)
        (folder / handover.EXECUTED_FILE).write_text(order.notebook)
        (folder / handover.WORK_FOLDER).mkdir()
        (folder / handover.WORK_FOLDER / handover.METRICS_FILE).write_text(self._curve)
        return folder


def _slot(name: str, busy: str = "", folder: Path | str = "") -> Slot:
    return Slot(name, "here", FINGERPRINT, SandboxLevel.BUBBLEWRAP, busy, str(folder))


class Sets(Researcher):
    """Sets one constant to a value that it never had; takes no time to speak of."""

    name = "sets"

    def propose(self, view: View) -> Proposal:
        """Return the proposal of that."""
        value = 0.01 + view.number / 1e5
        idea, constants = f"MATRIX_LR {value:g}", {"MATRIX_LR": value}
        return Proposal(view.number, view.best, self.name, idea, "as good", constants=constants)


RESEARCHERS: Mapping[str, Callable[[], Researcher]] = {"sets": Sets, "optuna": OptunaResearcher}


@contextmanager
def campaign(root: Path, pool: Sleepers, researcher: Researcher, limits: Limits) -> Iterator[Parts]:
    """Yield the parts of a campaign in `root` on these slots."""
    workspace, history = Workspace(root, "night"), History(root, "night", writer=True)
    baseline = TrainNotebook.parse(NOTEBOOK.read_text())
    site = Site(root, DATA, "kit", SandboxLevel.BUBBLEWRAP, VisibleFiles())
    devices = (Device("cpu0", MACHINE, FINGERPRINT),)
    context = Context(SETTINGS, MACHINE, devices, site, INFO, FINGERPRINT, baseline)
    here = LocalPool(site, devices, workspace, workspace.runs)
    yield Parts(
        context,
        workspace,
        history,
        Heartbeat(workspace, limits),
        pool,
        Proposing(Turns(researcher), workspace, history),
        Probing(context, workspace, here),
        Meter(workspace.usage, limits, None),
        limits,
        None,
    )
