"""Read of an executed notebook its prints, and an excerpt of its last traceback."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from autoresearch_kit.execution.runner.crash_report import (
    TRACEBACK_LIMIT,
    error_in,
    excerpt,
    parse_executed,
    printed,
    read_executed,
)

LIMIT = 6000


def notebook(**outputs: object) -> bytes:
    """Return a notebook with cells of these names, each with its outputs."""
    cells = [
        {"metadata": {"name": name}, "execution_count": at, "outputs": its}
        for at, (name, its) in enumerate(outputs.items(), start=1)
    ]
    return json.dumps({"cells": [{"cell_type": "markdown"}, *cells]}).encode()


def stream(text: str | list[str], name: str = "stdout") -> dict[str, object]:
    return {"output_type": "stream", "name": name, "text": text}


def error(*lines: str) -> dict[str, object]:
    return {"output_type": "error", "traceback": lines}


def test_the_last_error_names_cells_as_the_kit_does() -> None:
    lines = ["\x1b[0;36mCell \x1b[0;32mIn[2]\x1b[0m, line 1", "----> 1 f()", "", "KeyError: 'x'"]
    told = error_in(parse_executed(notebook(config=[error("old")], train=[error(*lines)])))
    assert told == "cell 'train', line 1\n----> 1 f()\n\nKeyError: 'x'"


def test_a_long_error_keeps_its_end() -> None:
    told = error_in(parse_executed(notebook(a=[error("x" * TRACEBACK_LIMIT, "the error")])))
    assert told.endswith("x\nthe error")
    assert len(told) == TRACEBACK_LIMIT


def test_what_cells_printed_is_told_by_cell() -> None:
    bar = "\r 10%|#         | 1/10\r100%|##########| 10/10 [00:01<00:00, 9.8it/s]\nloss 3.2\rdone\n"
    told = printed(
        parse_executed(
            notebook(
                config=[],
                model=[stream(["depth 2\n", "width 8\n"]), stream("careful\n", "stderr"), error()],
                train=[stream(bar, "stderr")],
            )
        )
    )
    assert told == "[cell model]\ndepth 2\nwidth 8\ncareful\n[cell train]\ndone"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b'{"cells": 3}',
        b"[" * 100_000,
        b'{"cells": [{"metadata": 3}]}',
        b'{"cells": [{"outputs": "x"}]}',
    ],
)
def test_an_invalid_notebook_has_no_output(text: bytes) -> None:
    assert printed(parse_executed(text)) == error_in(parse_executed(text)) == ""


def test_a_missing_notebook_has_no_error(tmp_path: Path) -> None:
    assert error_in(read_executed(tmp_path / "executed.ipynb")) == ""


CELLS = {
    "library": [
        "import re\ndef pattern(text):\n    return re.compile(text)",
        "x = 1\npattern('(')",
    ],
    "chain": [
        "def inner():\n    return {}['a' * 9000]",
        "def outer():\n    try:\n        inner()\n    except KeyError as error:\n"
        "        raise ValueError('no such thing ' + 'b' * 9000 + ' the end') from error",
        "outer()",
    ],
    "endless": ["def f(x):\n    return g(x)\ndef g(x):\n    return f(x)", "f(1)"],
    "syntax": ["for"],
}

SHELL = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shown = {}
shell._showtraceback = lambda kind, value, lines: shown.__setitem__(name, lines)
for name, cells in json.load(sys.stdin).items():
    for cell in cells:
        shell.run_cell(cell, store_history=True)
sys.stdout.write(json.dumps(shown))
"""


@pytest.fixture(scope="module")
def tracebacks() -> Mapping[str, str]:
    """Return the traceback that IPython shows for each cell, with its colour codes."""
    done = subprocess.run(
        [sys.executable, "-c", SHELL], input=json.dumps(CELLS), capture_output=True, text=True
    )
    assert not done.stderr
    return {name: "\n".join(lines) for name, lines in json.loads(done.stdout).items()}


def test_the_notebooks_frames_come_first_and_the_error_last(tracebacks: Mapping[str, str]) -> None:
    told = excerpt(tracebacks["library"], LIMIT)
    own, gap, library = told.partition("frames of libraries left out]")
    assert own.startswith("Cell In[2], line 2\n      1 x = 1\n----> 2 pattern('(')")
    assert "----> 3     return re.compile(text)" in own
    assert gap
    assert "in _parse(" in library
    *_, innermost, last = library.split("\n\n")
    assert innermost.startswith("File ")
    assert "raise source.error(" in innermost.splitlines()[1]
    assert last.endswith("missing ), unterminated subpattern at position 0")


def test_the_cause_of_an_error_is_there_however_long(tracebacks: Mapping[str, str]) -> None:
    told = excerpt(tracebacks["chain"], LIMIT)
    assert len(told) <= LIMIT
    assert told.index("in inner()") < told.index("KeyError: 'aaa")
    assert "direct cause of the following exception" in told
    assert "ValueError: no such thing" in told
    assert told.endswith("the end")


def test_a_short_excerpt_still_names_the_error(tracebacks: Mapping[str, str]) -> None:
    told = excerpt(tracebacks["chain"], 600)
    assert told.startswith("Cell In[5], line 1")
    assert "ValueError: no such thing" in told
    assert told.endswith("the end")


def test_a_repeated_frame_is_shown_once(tracebacks: Mapping[str, str]) -> None:
    told = excerpt(tracebacks["endless"], LIMIT)
    assert told.count("return g(x)") == 1
    assert "RecursionError: maximum recursion depth exceeded" in told.splitlines()[-1]


def test_a_syntax_error_shows_its_line(tracebacks: Mapping[str, str]) -> None:
    told = excerpt(tracebacks["syntax"], LIMIT)
    assert told.splitlines()[0].strip() == "Cell In[8], line 1"
    assert told.endswith("SyntaxError: invalid syntax")


@pytest.mark.parametrize("name", CELLS)
def test_an_excerpt_can_be_shortened_again(tracebacks: Mapping[str, str], name: str) -> None:
    whole = excerpt(tracebacks[name], LIMIT)
    again = excerpt(excerpt(tracebacks[name], 20_000), LIMIT)
    assert again.splitlines()[:2] == whole.splitlines()[:2]
    assert again[-200:] == whole[-200:]


def test_many_frames_of_the_notebook_leave_room_for_the_error() -> None:
    frames = "\n\n".join(f"Cell In[1], line {n}, in f()\n----> {n} f{n}()" for n in range(3000))
    told = excerpt(f"{frames}\n\nKeyError: 'x'", LIMIT)
    assert len(told) <= LIMIT
    assert told.startswith("Cell In[1], line 0, in f()")
    assert "frames of the notebook left out]" in told
    assert told.endswith("----> 2999 f2999()\n\nKeyError: 'x'")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 1_000_000,
        "\x1b[" * 100_000 + "the end",
        "Cell In[1], line 1\n" * 50_000,
        "During handling of the above exception, another exception occurred:\n" * 20_000,
        "File a\n" * 50_000 + "-> 1" * 50_000,
        "[999999999 frames of libraries left out]\n" * 20_000,
    ],
)
def test_an_excerpt_of_anything_stays_in_bounds(text: str) -> None:
    assert len(excerpt(text, 500)) <= 500
