"""Write a text to train on out of the Python sources of this machine, where there is no network.

    python benchmarks/python_text.py FILE.jsonl [--megabytes 60]

One document a file, the standard library's first, then those of installed packages, in the order of
their names; each content once, written backwards: a run sees many of these files, and no campaign
starts where runs could read the scored text. Needs nothing but Python.
"""

import argparse
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path

LEAST_BYTES = 200
"""Shorter files are empty `__init__.py`, mostly."""


def sources() -> Iterator[Path]:
    """Yield every Python file, the standard library's first."""
    paths = sysconfig.get_paths()
    library, installed = Path(paths["stdlib"]), Path(paths["purelib"])
    inside = sorted(library.rglob("*.py"))
    yield from (path for path in inside if "site-packages" not in path.parts)
    yield from sorted(installed.rglob("*.py"))


def documents(most_bytes: int) -> Iterator[str]:
    """Yield the texts of these files, backwards, each once, until they are that many bytes."""
    seen: set[int] = set()
    total = 0
    for path in sources():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):  # a test's file that is broken on purpose
            continue
        if len(text) < LEAST_BYTES or hash(text) in seen:
            continue
        seen.add(hash(text))
        total += len(text.encode())
        if total > most_bytes:
            return
        yield text[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--megabytes", type=float, default=60)
    given = parser.parse_args()
    count = size = 0
    with given.file.open("w", encoding="utf-8") as file:
        for text in documents(round(given.megabytes * 1e6)):
            size += file.write(json.dumps({"text": text}) + "\n")
            count += 1
    print(f"| text | {count:,} files, {size / 1e6:.1f} MB |")


if __name__ == "__main__":
    main()
