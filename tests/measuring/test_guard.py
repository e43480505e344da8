"""Test the hooks that keep a measuring notebook from running what was handed over."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

GUARDED = """
import sys
from pathlib import Path
from autoresearch_kit.measuring.guard import guard
output, hidden = Path({output!r}), Path({hidden!r})
guard(output)
{code}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return handed-over files, all harmless: a pickle, a module, a program, numbers."""
    output, hidden = tmp_path / "output", tmp_path / "hidden"
    for place in (output, hidden):
        place.mkdir()
        (place / "path.pkl").write_bytes(pickle.dumps(Path("x")))
        (place / "module.py").write_text("VALUE = sum([1, 2])\n")
        (place / "program").write_text("#!/bin/sh\necho ran\n")
        (place / "program").chmod(0o755)
        np.save(place / "numbers.npy", np.arange(3))
    return tmp_path


def run(folder: Path, code: str) -> "subprocess.CompletedProcess[str]":
    text = GUARDED.format(output=f"{folder}/output", hidden=f"{folder}/hidden", code=code)
    kept = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False, env=kept
    )


REFUSED = {
    "unpickles": "import pickle; pickle.load(open(output / 'path.pkl', 'rb'))",
    "unpickles its bytes": "import pickle; pickle.loads((output / 'path.pkl').read_bytes())",
    "unpickles by pandas": "import pandas; pandas.read_pickle(output / 'path.pkl')",
    "unpickles by torch": (
        "import torch; torch.load(output / 'path.pkl', weights_only=False)"
    ),
    "executes": "exec((output / 'module.py').read_text())",
    "executes, compiled": (
        "exec(compile((output / 'module.py').read_text(), 'x', 'exec'))"
    ),
    "imports": "sys.path.insert(0, str(output)); import module",
    "runs a path": "import runpy; runpy.run_path(str(output / 'module.py'))",
    "starts": "import subprocess; subprocess.run([output / 'program'])",
    "starts Python": "import subprocess; subprocess.run([sys.executable, output / 'module.py'])",
    "starts by a shell": "import os; os.system(f'cd / && {output}/program')",
    "loads a library": "import ctypes; ctypes.CDLL(str(output / 'program'))",
}  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, marks=pytest.mark.slow if "torch" in code else ())
        for code in REFUSED.values()
    ],
    ids=REFUSED,
)
def test_running_what_was_handed_over_is_refused(code: str, folder: Path) -> None:
    done = run(folder, code)
    assert done.returncode == 1
    assert "UntrustedError" in done.stderr.splitlines()[-1]


ALLOWED = {
    "reads numbers": "import numpy; assert numpy.load(output / 'numbers.npy').sum() == 3",
    "parses code": "import ast; ast.parse((output / 'module.py').read_text())",
    "unpickles its own": (
        "(output / 'numbers.npy').read_bytes(); import pickle\n"
        "pickle.load(open(hidden / 'path.pkl', 'rb'))"
    ),
    "imports its own": "sys.path.insert(0, str(hidden)); import module; assert module.VALUE == 3",
    "makes a dataclass": (
        "(output / 'module.py').read_text(); from dataclasses import make_dataclass\n"
        "make_dataclass('Point', ['x'])(1)"
    ),
    "starts its own": "import subprocess; subprocess.run([hidden / 'program'], check=True)",
}  # fmt: skip


@pytest.mark.parametrize("code", ALLOWED.values(), ids=ALLOWED)
def test_a_measurement_may_do_all_else(code: str, folder: Path) -> None:
    done = run(folder, code)
    assert done.returncode == 0, done.stderr
