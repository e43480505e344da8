import json
from pathlib import Path

import pytest

from autoresearch_kit.execution.runner.crash_report import (
    TRACEBACK_LIMIT,
    error_in,
    parse_executed,
    printed,
    read_executed,
)


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
    assert error_in(read_executed(path)) == "Traceback:\nKeyError: 'x'"


def test_a_long_traceback_keeps_its_end(tmp_path: Path) -> None:
    path = executed(tmp_path / "executed.ipynb", ["x" * TRACEBACK_LIMIT, "the error"])
    assert error_in(read_executed(path)).endswith("x\nthe error")
    assert len(error_in(read_executed(path))) == TRACEBACK_LIMIT


@pytest.mark.parametrize("text", [None, "no notebook", '{"cells": [{"outputs": "x"}]}'])
def test_without_a_traceback_the_error_is_empty(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "executed.ipynb"
    if text is not None:
        path.write_text(text)
    assert error_in(read_executed(path)) == ""


def notebook(**outputs: object) -> bytes:
    """Cells by name, each with its outputs."""
    cells = [
        {"metadata": {"name": name}, "execution_count": at, "outputs": its}
        for at, (name, its) in enumerate(outputs.items(), start=1)
    ]
    return json.dumps({"cells": cells}).encode()


def stream(text: str | list[str], name: str = "stdout") -> dict[str, object]:
    return {"output_type": "stream", "name": name, "text": text}


def test_an_error_names_cells_as_the_kit_does() -> None:
    lines = ["\x1b[0;36mCell \x1b[0;32mIn[2]\x1b[0m, line 1", "----> 1 f()", "", "KeyError: 'x'"]
    error = {"output_type": "error", "traceback": lines}
    told = error_in(parse_executed(notebook(config=[], train=[error])))
    assert told == "cell 'train', line 1\n----> 1 f()\n\nKeyError: 'x'"


def test_what_cells_printed_is_told_by_cell() -> None:
    error = {"output_type": "error", "traceback": ["KeyError"]}
    told = printed(
        parse_executed(
            notebook(
                config=[],
                model=[stream(["depth 2\n", "width 8\n"]), stream("careful\n", "stderr"), error],
                train=[stream("done")],
            )
        )
    )
    assert told == "[cell model]\ndepth 2\nwidth 8\ncareful\n[cell train]\ndone"


def test_progress_bars_are_left_out() -> None:
    bar = "\r 10%|#         | 1/10\r100%|##########| 10/10 [00:01<00:00, 9.8it/s]\nloss 3.2\rdone\n"
    assert printed(parse_executed(notebook(train=[stream(bar, "stderr")]))) == "[cell train]\ndone"


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b'{"cells": 3}', b"[" * 100_000, b'{"cells": [{"metadata": 3}]}']
)
def test_an_invalid_notebook_has_no_output(text: bytes) -> None:
    assert printed(parse_executed(text)) == error_in(parse_executed(text)) == ""
