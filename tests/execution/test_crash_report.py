import json
from pathlib import Path

import pytest

from autoresearch_kit.execution.crash_report import TRACEBACK_LIMIT, last_error


def executed(path: Path, *tracebacks: list[str]) -> Path:
    cells = [
        {"cell_type": "code", "outputs": [{"output_type": "error", "traceback": lines}]}
        for lines in tracebacks
    ]
    cells.append({"cell_type": "code", "outputs": [{"output_type": "stream", "text": "done"}]})
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown"}, *cells]}))
    return path


def test_the_last_traceback_is_found(tmp_path: Path) -> None:
    path = executed(tmp_path / "executed.ipynb", ["old"], ["Traceback:", "KeyError: 'x'"])
    assert last_error(path) == "Traceback:\nKeyError: 'x'"


def test_of_a_long_one_the_end_is_kept(tmp_path: Path) -> None:
    path = executed(tmp_path / "executed.ipynb", ["x" * TRACEBACK_LIMIT, "the error"])
    assert last_error(path).endswith("x\nthe error")
    assert len(last_error(path)) == TRACEBACK_LIMIT


@pytest.mark.parametrize("text", [None, "no notebook", '{"cells": [{"outputs": "x"}]}'])
def test_without_one_it_is_empty(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "executed.ipynb"
    if text is not None:
        path.write_text(text)
    assert last_error(path) == ""
