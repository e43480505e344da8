"""What a crashed run said, for whoever is to mend it. All of it came out of unreviewed code."""

from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_kit import codec
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.untrusted import read_untrusted

NOTEBOOK_LIMIT = 20_000_000
"""Bytes of an executed notebook that are read."""

TRACEBACK_LIMIT = 20_000
"""Characters that are kept, the end of the traceback rather than its beginning."""


@dataclass(frozen=True)
class Output:
    """One output of a cell, as far as it is read."""

    output_type: str = ""
    traceback: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExecutedCell:
    """One cell and its outputs."""

    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True)
class Executed:
    """An executed notebook."""

    cells: tuple[ExecutedCell, ...] = field(default_factory=tuple)


def last_error(executed: Path) -> str:
    """The last traceback in the executed notebook; empty if it shows none."""
    try:
        notebook = codec.decode(Executed, read_untrusted(executed, NOTEBOOK_LIMIT))
    except (InputError, FileNotFoundError):
        return ""
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    errors = [output for output in outputs if output.output_type == "error"]
    return "\n".join(errors[-1].traceback)[-TRACEBACK_LIMIT:] if errors else ""
