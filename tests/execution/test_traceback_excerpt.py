"""What is left of a traceback: the notebook's frames first, the error last, the cause between."""

import json
import subprocess
import sys
from collections.abc import Mapping

import pytest

from autoresearch_kit.execution.runner.traceback_excerpt import excerpt

LIMIT = 6000

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
found = {}
shell._showtraceback = lambda kind, value, lines: found.__setitem__(name, lines)
for name, cells in json.load(sys.stdin).items():
    for cell in cells:
        shell.run_cell(cell, store_history=True)
sys.stdout.write(json.dumps(found))
"""


@pytest.fixture(scope="module")
def tracebacks() -> Mapping[str, str]:
    """What IPython shows of each, colours and all."""
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
    assert told.endswith("missing ), unterminated subpattern at position 0")


def test_a_library_frame_is_two_lines(tracebacks: Mapping[str, str]) -> None:
    *_, innermost, _error = excerpt(tracebacks["library"], LIMIT).split("\n\n")
    head, line = innermost.splitlines()
    assert head.startswith("File ")
    assert "raise source.error(" in line


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


def test_a_frame_that_comes_again_is_shown_once(tracebacks: Mapping[str, str]) -> None:
    told = excerpt(tracebacks["endless"], LIMIT)
    assert told.count("return g(x)") == 1
    assert "RecursionError: maximum recursion depth exceeded" in told.splitlines()[-1]


def test_a_syntax_error_shows_its_line(tracebacks: Mapping[str, str]) -> None:
    told = excerpt(tracebacks["syntax"], LIMIT)
    assert told.splitlines()[0].strip() == "Cell In[8], line 1"
    assert told.endswith("SyntaxError: invalid syntax")


@pytest.mark.parametrize("name", CELLS)
def test_an_excerpt_can_be_shortened_again(tracebacks: Mapping[str, str], name: str) -> None:
    whole, again = (
        excerpt(text, LIMIT) for text in (tracebacks[name], excerpt(tracebacks[name], 20_000))
    )
    assert again.splitlines()[:2] == whole.splitlines()[:2]
    assert again[-200:] == whole[-200:]
    starts = (
        [line[:20] for line in text.splitlines() if line[:1] != "["] for text in (again, whole)
    )
    assert next(starts) == next(starts)


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
