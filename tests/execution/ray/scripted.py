"""A bridge that says what a test wants: `python -m tests.execution.ray.scripted FOLDER`.

Each life of it takes the next `N.py` in the folder, which speaks by `say` and hears by `hear`.
"""

import sys
from pathlib import Path

from autoresearch_kit.execution.ray.messages import Message, from_line, to_line


def say(message: Message) -> None:
    sys.stdout.buffer.write(to_line(message))
    sys.stdout.buffer.flush()


def hear() -> Message:
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit()
    return from_line(line)


def main() -> None:
    script = min(Path(sys.argv[1]).glob("*.py"))
    code = script.read_text()
    if len(list(Path(sys.argv[1]).glob("*.py"))) > 1:
        script.unlink()
    hear()  # what it is to connect to
    exec(compile(code, script.name, "exec"), {"say": say, "hear": hear})
    while True:
        hear()


if __name__ == "__main__":
    main()
