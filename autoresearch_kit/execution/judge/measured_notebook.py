"""Run a task's measure.ipynb in its sandbox, with a line to the judge."""

import os
import socket
from dataclasses import dataclass

from autoresearch_kit.execution.runner import lean  # noqa: F401 - before papermill

# isort: split
import papermill
from jupyter_client.manager import AsyncKernelManager
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError

from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.judge import task_predictor_process
from autoresearch_kit.execution.judge.measuring_sandbox import MeasuringSandbox
from autoresearch_kit.execution.judge.measuring_watch import MeasuringWatch
from autoresearch_kit.execution.judge.relay import FirstFailure, Relay
from autoresearch_kit.execution.judge.reported import Reported
from autoresearch_kit.execution.judge.scoring import MEASURED_FILE
from autoresearch_kit.execution.processes.child import Drain
from autoresearch_kit.execution.runner import kernel
from autoresearch_kit.execution.runner.engine import RunEngine, RunEvents, save_executed
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.measuring.guard import UntrustedError
from autoresearch_kit.measuring.measurement import MeasurementError
from autoresearch_kit.measuring.messages import PATHS, MeasuringPaths
from autoresearch_kit.records import Reason, codec
from autoresearch_kit.records.text import one_line
from autoresearch_kit.tasks.measured import layout

ENGINE = "autoresearch-measure"

OWN_ERRORS = (MeasurementError.__name__, UntrustedError.__name__)
"""Errors whose words are the kit's, and quote no hidden data."""

ANSWER_SHARE = 0.25
"""Share of the measurement's memory that one answer may have, encoded."""


@dataclass(frozen=True)
class MeasuringKernel:
    """A kernel that waits for measure.ipynb, with its relay to a predictor."""

    sandbox: MeasuringSandbox
    manager: AsyncKernelManager
    relay: Relay
    reported: Reported
    first: FirstFailure
    drain: Drain

    def measure(self, deadline: float) -> None:
        """Run the notebook; afterwards `reported` and `first` have what came of it."""
        relay, sandbox = self.relay, self.sandbox
        relay.deadline = deadline
        relay.start()
        called = layout.MEASURE_NOTEBOOK
        watch = MeasuringWatch(
            sandbox, self.first, called, deadline, lambda: relay.predictor.processes()
        )
        watch.start()
        events = RunEvents(on_ready=lambda: None, on_training=lambda: None)
        self._execute(events)
        watch.end()
        if failure := self._failure(events):
            self.first.note(failure)
        if events.notebook is not None:
            save_executed(events.notebook, self.first.failure, sandbox.spec.folder / MEASURED_FILE)

    def _execute(self, events: RunEvents) -> None:
        papermill_engines.register(ENGINE, RunEngine)
        notebook = self.sandbox.spec.dataset / layout.MEASURE_FOLDER / layout.MEASURE_NOTEBOOK
        try:
            papermill.execute_notebook(
                str(notebook),
                None,
                engine_name=ENGINE,
                kernel_name=kernel.KERNEL_NAME,
                progress_bar=False,
                km=self.manager,
                events=events,
            )
        except PapermillExecutionError:
            return  # the events have it
        except Exception as error:  # noqa: BLE001 - nbclient may raise anything when a kernel dies
            events.lost = f"the connection to its kernel broke: {type(error).__name__}: {error}"

    def _failure(self, events: RunEvents) -> Failure | None:
        """Return what went wrong in the notebook. An error's own words may quote hidden data."""
        if events.error is not None:
            name, words = events.error
            said = f": {words}" if name in OWN_ERRORS else f"; {MEASURED_FILE} has all of it"
            detail = f"measure.ipynb raised {name} in {_place(events)}{said}"
        elif events.lost:
            detail = f"measure.ipynb: {events.lost}: {self.drain.last_line}"
        else:
            return None
        return Failure(Reason.NOT_MEASURED, one_line(detail, 300))


def _place(events: RunEvents) -> str:
    """Name the cell that failed by its number among the cells of code, from 1 on."""
    cells = events.notebook.cells if events.notebook is not None else []
    code = [cell for cell in cells if cell.cell_type == "code"]
    names = [str(cell.metadata.get("name", cell.get("id", ""))) for cell in code]
    return f"cell {names.index(events.cell) + 1}" if events.cell in names else "a cell"


def start(sandbox: MeasuringSandbox) -> MeasuringKernel:
    """Start the kernel and a predictor, which load nothing of the submission yet."""
    ours, theirs = socket.socketpair()
    spec = sandbox.spec
    descriptor = os.dup(theirs.fileno())
    theirs.close()
    drain = Drain()
    drain.start()
    first, reported = FirstFailure(), Reported(sandbox.info.task)
    paths = MeasuringPaths(
        hidden=sandbox.hidden,
        data=sandbox.data,
        output=spec.output,
        socket=descriptor,
        trusted=sandbox.trusted,
        submission=spec.submission if sandbox.trusted else None,
    )
    argv = sandbox.command(
        kernel.kernel_argv(kernel.LAUNCHER),
        {PATHS: codec.compact(paths).decode()},
        any_program=False,
    )
    manager = kernel.launch(
        argv, sockets=sandbox.sockets, cwd=sandbox.work, output=drain.write, keep=[descriptor]
    )
    os.close(descriptor)
    relay = Relay(
        ours,
        lambda: task_predictor_process.start(spec, spec.output),
        reported,
        first,
        int(sandbox.memory_mb * MEGABYTE * ANSWER_SHARE),
    )
    return MeasuringKernel(sandbox, manager, relay, reported, first, drain)
