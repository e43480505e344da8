"""A process that ends with who started it, by the pipe that is its standard input."""

import subprocess
import sys
from pathlib import Path

CODE = """
import subprocess, time
from autoresearch_kit.execution.processes.lifeline import end_with_starter
end_with_starter()
subprocess.run(["cat"], check=True)
print("a child reads nothing", flush=True)
time.sleep(1000)
"""


def test_a_process_ends_with_its_starters_pipe() -> None:
    argv, pipe = [sys.executable, "-c", CODE], subprocess.PIPE
    root = Path(__file__).parents[2]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, cwd=root) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "a child reads nothing\n"
        assert process.poll() is None
        process.stdin.close()
        assert process.wait() == 1
