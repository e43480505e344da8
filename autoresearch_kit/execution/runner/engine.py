"""Papermill's engine for a run: notes when training begins, bounds outputs, tells the truth.

Papermill marks cells `completed` that never ran or never ended, saves while messages arrive, and
keeps every output. Here a cell is `completed` only if it ended without an error, and `pending` if
it never began.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import output_from_msg
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager

from autoresearch_kit.execution.runner.cell_outputs import CellOutputs

EDITABLE_TAG = "editable"

STARTUP_SECONDS = 120
"""For a kernel to answer; a cold disk can take most of a minute to import IPython."""


DISPLAYS = ("display_data", "execute_result", "error")


class Transient(TypedDict):
    """What a display message says of itself that no notebook keeps."""

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
class Story:
    """What happened, told by the engine while it runs. Cells go by their `metadata.name`."""

    on_ready: Callable[[], None]
    on_training: Callable[[], None]
    notebook: NotebookNode | None = None
    training: bool = False
    cell: str = ""
    error: tuple[str, str] | None = None
    died: bool = False

    def begin(self, cell: NotebookNode) -> None:
        """A cell begins; with the first editable one, so does training."""
        self.cell = str(cell.metadata.get("name", cell.get("id", "")))
        editable = cell.cell_type == "code" and EDITABLE_TAG in cell.metadata.get("tags", [])
        if editable and not self.training:
            self.training = True
            self.on_training()


class Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    """Runs the cells until one fails or the kernel dies, and leaves the kernel as it is."""

    def __init__(
        self, ledger: NotebookExecutionManager, *, km: AsyncKernelManager, story: Story
    ) -> None:
        super().__init__(
            ledger,
            km=km,
            raise_on_iopub_timeout=False,
            startup_timeout=STARTUP_SECONDS,
            store_widget_state=False,
        )
        self.story = story
        self.kept = CellOutputs()

    def execute(self) -> None:
        """Executes as far as it goes, by a kernel that was started before."""
        self.reset_execution_trackers()
        with self.setup_kernel():
            self.story.on_ready()
            for index, cell in enumerate(self.nb.cells):
                if not self._run(cell, index):
                    break

    def _run(self, cell: NotebookNode, index: int) -> bool:
        """Whether the cell ended well."""
        self.kept = CellOutputs()
        self.nb_man.cell_start(cell, index)
        self.story.begin(cell)
        try:
            self.execute_cell(cell, index)
        except CellExecutionError as error:
            self.story.error = (str(error.ename), str(error.evalue))
        except DeadKernelError:
            self.story.died = True
        finally:
            if cell.cell_type == "code":
                cell.outputs = self.kept.result()
        failed = self.story.died or self.story.error is not None
        if failed:
            self.nb_man.cell_exception(cell, index)
        self.nb_man.cell_complete(cell, index)
        return not failed

    def process_message(self, msg: Message, cell: NotebookNode, cell_index: int) -> None:
        """Takes updates of displays; leaves the rest to nbclient, which calls the methods below."""
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
        """Keeps an output, within bounds. Streams go past nbformat, whose validation is slow."""
        if msg["msg_type"] == "stream":
            self.kept.add_text(msg["content"]["name"], msg["content"]["text"])
        elif msg["msg_type"] in DISPLAYS:
            self.kept.add(output_from_msg(msg), display_id)

    def clear_output(
        self,
        outs: list[NotebookNode],  # noqa: ARG002
        msg: Message,
        cell_index: int,  # noqa: ARG002
    ) -> None:
        """Obeys `clear_output`."""
        self.kept.clear(wait=bool(msg["content"].get("wait")))

    def handle_comm_msg(self, outs: list[NotebookNode], msg: Message, cell_index: int) -> None:
        """Widgets have nobody to talk to here, and would grow without bounds."""


class Ledger(NotebookExecutionManager):  # type: ignore[misc]  # papermill has no types
    """Papermill's record of the execution, without its saving and without its last flattery."""

    def save(self, **_: object) -> None:
        """Nothing: the runner writes the notebook once, at the end."""

    def autosave_cell(self) -> None:
        """Nothing, as above."""

    def notebook_complete(self, **_: object) -> None:
        """Notes the end; a cell that is pending stays so."""
        self.end_time = self.now()
        self.nb.metadata.papermill["end_time"] = self.end_time.isoformat()
        seconds = (self.end_time - self.start_time).total_seconds()
        self.nb.metadata.papermill["duration"] = seconds


class RunEngine(Engine):  # type: ignore[misc]  # papermill has no types
    """Executes a run's notebook with a kernel of ours."""

    @classmethod
    def execute_notebook(
        cls,
        nb: NotebookNode,
        kernel_name: str,  # noqa: ARG003 - papermill's signature
        *,
        km: AsyncKernelManager,
        story: Story,
        **_: object,
    ) -> NotebookNode:
        """Called by papermill; the kernel was started before."""
        story.notebook = nb
        ledger = Ledger(nb, progress_bar=False)
        ledger.notebook_start()
        try:
            Client(ledger, km=km, story=story).execute()
        finally:
            ledger.notebook_complete()
        return nb
