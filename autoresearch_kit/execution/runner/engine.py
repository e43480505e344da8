"""Execute a notebook with papermill: note when training begins, bound outputs, mark cells truly.

Papermill's own engine marks cells `completed` that never ran or never ended, saves while messages
arrive, and keeps every output. Here a cell is `completed` only if it ended without an error, and
`pending` if it never began.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import output_from_msg
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager
from papermill.execute import remove_error_markers

from autoresearch_kit.execution.handover import Failure
from autoresearch_kit.execution.runner.cell_outputs import CellOutputs
from autoresearch_kit.files.atomic import write_atomic

EDITABLE_TAG = "editable"

STARTUP_SECONDS = 120
"""Seconds for a kernel to answer; importing IPython from a cold disk can take most of a minute."""

DISPLAYS = ("display_data", "execute_result", "error")

RUNNING, FAILED = "running", "failed"  # papermill's words for a cell's status


class Transient(TypedDict):
    """The part of a display message that no notebook keeps."""

    display_id: str


class Content(TypedDict, total=False):
    """The parts of a message's content that are read here."""

    name: str
    text: str
    wait: bool
    transient: Transient | None


class Message(TypedDict):
    """The parts of a Jupyter message that are read here."""

    msg_type: str
    header: dict[str, str]
    content: Content


@dataclass
class RunEvents:
    """The events of a run so far, kept by the engine. Cells have their `metadata.name`.

    `error` is the name and the value of a cell's error, `lost` says how the kernel was lost.
    """

    on_ready: Callable[[], None]
    on_training: Callable[[], None]
    notebook: NotebookNode | None = None
    training: bool = False
    cell: str = ""
    error: tuple[str, str] | None = None
    lost: str = ""

    def begin(self, cell: NotebookNode) -> None:
        """Note that a cell begins; with the first editable one, training begins."""
        self.cell = str(cell.metadata.get("name", cell.get("id", "")))
        editable = cell.cell_type == "code" and EDITABLE_TAG in cell.metadata.get("tags", [])
        if editable and not self.training:
            self.training = True
            self.on_training()


class Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    """Runs the cells until one fails or the kernel dies; does not end the kernel."""

    def __init__(
        self, record: NotebookExecutionManager, *, km: AsyncKernelManager, events: RunEvents
    ) -> None:
        super().__init__(
            record,
            km=km,
            raise_on_iopub_timeout=False,
            startup_timeout=STARTUP_SECONDS,
            store_widget_state=False,
        )
        self.events = events
        self.kept = CellOutputs()

    def execute(self) -> None:
        """Execute the cells as far as possible with a kernel that was started before."""
        self.reset_execution_trackers()
        with self.setup_kernel():
            self.events.on_ready()
            for index, cell in enumerate(self.nb.cells):
                if not self._run(cell, index):
                    break

    def _run(self, cell: NotebookNode, index: int) -> bool:
        """Run a cell; return whether it ended without an error."""
        self.kept = CellOutputs()
        self.nb_man.cell_start(cell, index)
        self.events.begin(cell)
        try:
            self.execute_cell(cell, index)
        except CellExecutionError as error:
            self.events.error = (str(error.ename), str(error.evalue))
        except DeadKernelError:
            self.events.lost = f"the kernel died in cell '{self.events.cell}'"
        finally:
            if cell.cell_type == "code":
                cell.outputs = self.kept.result()
        ended = not self.events.lost and self.events.error is None
        if not ended:
            self.nb_man.cell_exception(cell, index)
        self.nb_man.cell_complete(cell, index)
        return ended

    def process_message(self, msg: Message, cell: NotebookNode, cell_index: int) -> None:
        """Update displays here; leave the rest to nbclient, which calls the methods below."""
        transient = msg["content"].get("transient")
        if msg["msg_type"] != "update_display_data":
            super().process_message(msg, cell, cell_index)
        elif transient:
            output = output_from_msg({**msg, "header": {"msg_type": "display_data"}})
            self.kept.update(transient["display_id"], output)

    def output(
        self,
        outs: list[NotebookNode],  # noqa: ARG002 - nbclient's signature, here and below
        msg: Message,
        display_id: str | None,
        cell_index: int,  # noqa: ARG002
    ) -> None:
        """Keep an output, within bounds."""
        if msg["msg_type"] == "stream":  # past nbformat, whose validation is slow
            self.kept.add_text(msg["content"]["name"], msg["content"]["text"])
        elif msg["msg_type"] in DISPLAYS:
            self.kept.add(output_from_msg(msg), display_id)

    def clear_output(
        self,
        outs: list[NotebookNode],  # noqa: ARG002
        msg: Message,
        cell_index: int,  # noqa: ARG002
    ) -> None:
        """Clear the outputs, as IPython's `clear_output` asks for."""
        self.kept.clear(wait=bool(msg["content"].get("wait")))

    def handle_comm_msg(self, outs: list[NotebookNode], msg: Message, cell_index: int) -> None:
        """Ignore widgets: nobody is there to use them, and they would grow without bounds."""


class ExecutionRecord(NotebookExecutionManager):  # type: ignore[misc]  # papermill has no types
    """Papermill's record of the execution, which neither saves nor calls pending cells complete."""

    def save(self, **_: object) -> None:
        """Do nothing: the runner writes the notebook once, at the end."""

    def autosave_cell(self) -> None:
        """Do nothing, as above."""

    def notebook_complete(self, **_: object) -> None:
        """Note the end; a cell that is pending stays pending."""
        self.end_time = self.now()
        self.nb.metadata.papermill["end_time"] = self.end_time.isoformat()
        seconds = (self.end_time - self.start_time).total_seconds()
        self.nb.metadata.papermill["duration"] = seconds


class RunEngine(Engine):  # type: ignore[misc]  # papermill has no types
    """Executes a run's notebook with a kernel that the runner has started."""

    @classmethod
    def execute_notebook(
        cls,
        nb: NotebookNode,
        kernel_name: str,  # noqa: ARG003 - papermill's signature
        *,
        km: AsyncKernelManager,
        events: RunEvents,
        **_: object,
    ) -> NotebookNode:
        """Execute the notebook; called by papermill."""
        events.notebook = nb
        record = ExecutionRecord(nb, progress_bar=False)
        record.notebook_start()
        try:
            Client(record, km=km, events=events).execute()
        finally:
            record.notebook_complete()
        return nb


def save_executed(notebook: NotebookNode, failure: Failure | None, path: Path) -> None:
    """Write the notebook as far as it was executed, atomically, and valid whatever it displayed.

    A cell that was ended from outside, and shows no error of its own, gets the failure.
    """
    notebook = remove_error_markers(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        record = cell.metadata.get("papermill", {})
        if record.get("status") in (RUNNING, FAILED):
            record["status"] = FAILED
            if failure and not any(output.output_type == "error" for output in cell.outputs):
                cell.outputs.append(
                    NotebookNode(
                        output_type="error",
                        ename=failure.reason.value,
                        evalue=failure.detail,
                        traceback=[f"{failure.reason.value}: {failure.detail}"],
                    )
                )
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError:  # a kernel may send outputs that no notebook may have
        for cell in code:
            cell.outputs = []
    write_atomic(path, nbformat.writes(notebook).encode(errors="replace"))
