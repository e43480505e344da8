"""Save the executed notebook: always valid, with the cell that did not finish and why."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode
from papermill.execute import remove_error_markers

from autoresearch_kit.files.atomic import write_atomic
from autoresearch_kit.records import Run

FAILED = "failed"
RUNNING = "running"


def save(notebook: NotebookNode, run: Run, path: Path) -> None:
    """Write the notebook as far as it was executed, atomically."""
    notebook = remove_error_markers(notebook)
    for cell in notebook.cells:
        record = cell.metadata.get("papermill", {})
        if record.get("status") == RUNNING:
            record["status"] = FAILED
        if record.get("status") == FAILED and cell.cell_type == "code":
            _explain(cell, run)
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError:
        _drop_outputs(notebook)
    write_atomic(path, nbformat.writes(notebook).encode(errors="replace"))


def _explain(cell: NotebookNode, run: Run) -> None:
    """Add the run's failure to a cell that was ended from outside and shows no error of its own."""
    if run.failure and not any(output.output_type == "error" for output in cell.outputs):
        error = NotebookNode(
            output_type="error",
            ename=run.failure.value,
            evalue=run.detail,
            traceback=[f"{run.failure.value}: {run.detail}"],
        )
        cell.outputs.append(error)


def _drop_outputs(notebook: NotebookNode) -> None:
    """Drop all outputs: a kernel may send some that are not valid in a notebook."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
