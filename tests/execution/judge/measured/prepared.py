"""Prepared tasks, made by hand: y = 2 x is to be learnt, and hidden rows measure it."""

from pathlib import Path

import nbformat
import numpy as np

from autoresearch_kit.records import Metric, Task, TaskInfo, codec
from autoresearch_kit.tasks.measured import layout

ROWS = 50

MEASURE = """
import numpy as np
from autoresearch_kit.measuring import measure

x, y = np.load(measure.hidden / "x.npy"), np.load(measure.hidden / "y.npy")
answer = np.asarray(measure.predict(x))
assert answer.shape == y.shape
measure.report(error=float(np.abs(answer - y).mean()))
"""

ERROR = Metric("error", unit="share", zero_is_floor=True)


def prepare(
    folder: Path,
    measure: str = MEASURE,
    *,
    metrics: tuple[Metric, ...] = (ERROR,),
    trusted: bool = False,
    command: str = "",
    checks: str = "",
    files: dict[str, str] | None = None,
    measure_memory_mb: float | None = None,
    audited: bool = False,
) -> Path:
    """Write a prepared task; `files` are those beside `measure.ipynb`, executable."""
    task = Task("doubling", metrics, (metrics[0].name,), folder="doubling", trusted=trusted)
    info = TaskInfo(
        task,
        data="d",
        measurement="m",
        command=command,
        checks=checks,
        measure_memory_mb=measure_memory_mb,
        audited=audited,
    )
    for name in (layout.DATA_FOLDER, layout.MEASURE_FOLDER):
        (folder / name).mkdir(parents=True)
    (folder / layout.INFO_FILE).write_bytes(codec.encode(info))
    (folder / layout.DATA_FOLDER / "seen.txt").write_text("seen")
    _hide(folder / layout.HIDDEN_FOLDER, shift=0.0)
    if audited:
        _hide(folder / layout.AUDIT_FOLDER, shift=1.0)
    cells = [nbformat.v4.new_code_cell(cell) for cell in measure.split("\n# %%\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, folder / layout.MEASURE_FOLDER / layout.MEASURE_NOTEBOOK)
    for name, text in (files or {}).items():
        path = folder / layout.MEASURE_FOLDER / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return folder


def _hide(folder: Path, shift: float) -> None:
    folder.mkdir()
    x = np.linspace(-1, 1, ROWS)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", 2 * x + shift)
