"""The executed results notebook as one HTML file."""

from pathlib import Path

import papermill
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.files.atomic import write_atomic

NOTEBOOK = "notebooks/results.ipynb"

LEFT_OUT = "remove-cell"  # Jupyter Book's tag for cells that are left out of the page


def report(root: Path, tag: str, others: list[str], output: Path) -> None:
    """Run the results notebook of the project at `root` on `tag`, and write it as HTML.

    `tag` and `others`, to compare it with, are campaigns, or full paths of results.tsv files.

    Raises:
        InputError: the project has no such notebook, or the file can't be written.
        KitError: a cell failed; the message is its own.
    """
    source = root / NOTEBOOK
    if not source.exists():
        raise InputError(f"no {NOTEBOOK} in {root}; copy it from a checkout of autoresearch_kit")
    try:
        executed: NotebookNode = papermill.execute_notebook(
            source,
            None,  # the executed notebook is returned, and not written
            parameters={"TAG": tag, "OTHERS": others},
            cwd=root,
            progress_bar=False,
            extra_arguments=["--log-level=ERROR"],  # it warns of the transport that is usual
        )
    except PapermillExecutionError as error:
        raise KitError(f"{NOTEBOOK}, {error.ename}: {error.evalue}") from error
    # papermill puts the chosen parameters into a cell below the notebook's own
    executed.cells = [c for c in executed.cells if "parameters" not in c.metadata.get("tags", [])]
    left_out = Config({"TagRemovePreprocessor": {"enabled": True, "remove_cell_tags": [LEFT_OUT]}})
    exporter = HTMLExporter(left_out, exclude_input_prompt=True, exclude_output_prompt=True)
    page, _ = exporter.from_notebook_node(executed, {"metadata": {"name": Path(tag).name}})
    try:
        write_atomic(output, str(page).encode())
    except OSError as error:
        raise InputError(f"can't write {output}: {error.strerror}; choose another place") from error
