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
from autoresearch_kit.execution.judge.relay import First, Relay
from autoresearch_kit.execution.judge.reported import Reported
from autoresearch_kit.execution.judge.scoring import MEASURED_FILE
from autoresearch_kit.execution.processes.child import Drain
from autoresearch_kit.execution.runner import kernel
from autoresearch_kit.execution.runner.engine import RunEngine, Story, save_executed
from autoresearch_kit.files.bounded import MEGABYTE
from autoresearch_kit.measuring.guard import UntrustedError
from autoresearch_kit.measuring.line import PLACES, Places
from autoresearch_kit.measuring.measurement import MeasurementError
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
    first: First
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
        story = Story(on_ready=lambda: None, on_training=lambda: None)
        self._execute(story)
        watch.end()
        if failure := self._failure(story):
            self.first.note(failure)
        if story.notebook is not None:
            save_executed(story.notebook, self.first.failure, sandbox.spec.folder / MEASURED_FILE)

    def _execute(self, story: Story) -> None:
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
                story=story,
            )
        except PapermillExecutionError:
            return  # the story has it
        except Exception as error:  # noqa: BLE001 - nbclient may raise anything when a kernel dies
            story.lost = f"the connection to its kernel broke: {type(error).__name__}: {error}"

    def _failure(self, story: Story) -> Failure | None:
        """Return what went wrong in the notebook. An error's own words may quote hidden data."""
        if story.error is not None:
            name, words = story.error
            said = f": {words}" if name in OWN_ERRORS else f"; {MEASURED_FILE} has all of it"
            detail = f"measure.ipynb raised {name} in {_place(story)}{said}"
        elif story.lost:
            detail = f"measure.ipynb: {story.lost}: {self.drain.last_line}"
        else:
            return None
        return Failure(Reason.NOT_MEASURED, one_line(detail, 300))


def _place(story: Story) -> str:
    """Name the cell that failed by its number among the cells of code, from 1 on."""
    cells = story.notebook.cells if story.notebook is not None else []
    code = [cell for cell in cells if cell.cell_type == "code"]
    names = [str(cell.metadata.get("name", cell.get("id", ""))) for cell in code]
    return f"cell {names.index(story.cell) + 1}" if story.cell in names else "a cell"


def start(sandbox: MeasuringSandbox) -> MeasuringKernel:
    """Start the kernel and a predictor, which load nothing of the submission yet."""
    ours, theirs = socket.socketpair()
    spec = sandbox.spec
    descriptor = os.dup(theirs.fileno())
    theirs.close()
    drain = Drain()
    drain.start()
    first, reported = First(), Reported(sandbox.info.task)
    places = Places(
        hidden=sandbox.hidden,
        data=sandbox.data,
        output=spec.output,
        line=descriptor,
        trusted=sandbox.trusted,
        submission=spec.submission if sandbox.trusted else None,
    )
    argv = sandbox.command(
        kernel.kernel_argv(kernel.LAUNCHER),
        {PLACES: codec.compact(places).decode()},
        any_program=False,
    )
    manager = kernel.launch(
        argv,
        sockets=sandbox.sockets,
        cwd=sandbox.work,
        output=drain.write,
        keep=[descriptor],
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
