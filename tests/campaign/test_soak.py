"""The soak of benchmarks/soak.py, in its short form: each process killed once, and three faults."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_short_soak_holds() -> None:
    argv = [sys.executable, "benchmarks/soak.py", "--experiments", "5", "--seconds", "1"]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 of 5" in done.stdout
