"""The corpus `stdlib`: the sources of the running Python's standard library.

Every machine has this text. Tests, generated files and duplicates are left out.

A run can read the standard library it runs on. Therefore val and audit come only from modules that
training never imports, and that a sandbox can hide: `HELD_OUT`. To make the list, everything that a
notebook uses was imported (torch with its compiler, numpy, pandas, ipykernel, matplotlib, ...), and
every import statement of every loaded file was followed, also those inside functions; of the rest,
the large and plainly unrelated modules were taken. distutils is not among them, because setuptools
carries a copy, nor is _pyio, whose docstrings stand in the interpreter itself, as those of io.
`tests/tasks/lm/test_stdlib.py` repeats this on the installed packages. With a fixed list, every
machine that has the same Python has the same split.
"""

import re
import sysconfig
import tokenize
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from autoresearch_kit.errors import CorpusError
from autoresearch_kit.tasks.lm.splits import Sizes, Split, number

# fmt: off
HELD_OUT = frozenset({
    "aifc", "asynchat", "asyncore", "cgi", "cgitb", "chunk",
    "crypt", "idlelib", "imaplib", "imghdr", "lib2to3", "mailbox", "mailcap",
    "nntplib", "pipes", "poplib", "smtpd", "sndhdr", "sunau", "telnetlib",
    "tkinter", "turtle", "turtledemo", "uu", "wsgiref", "xdrlib",
})
# fmt: on
"""Top-level names of the standard library that a training run never imports."""

STILL_IMPORTED = frozenset({"tkinter/__init__.py", "tkinter/constants.py"})
"""Files inside of `HELD_OUT` that something imports, if only to see whether they exist."""

# fmt: off
LEFT_OUT = frozenset({
    "__pycache__", "__phello__", "dist-packages", "encodings", "ensurepip",
    "idle_test", "pydoc_data", "site-packages", "test", "tests",
})
# fmt: on
"""Folders that are left out: tests, tables, packages."""

GENERATED = re.compile(
    r"auto[- ]?(?:matically )?generated|file is generated|do not edit", re.IGNORECASE
)
"""Matches the words in which generated files call themselves so in their first lines."""

TABLES = frozenset({"html/entities.py", "lib2to3/pgen2/token.py"})
"""Generated files that don't say so."""

VAL_SHARE, AUDIT_SHARE = 0.45, 0.4
"""Shares of the held-out bytes; the rest is trained on, so that their style is known."""


class StdlibCorpus:
    """The running Python's standard library, one document per source file."""

    name = "stdlib"
    sizes = Sizes()

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or Path(sysconfig.get_path("stdlib"))).resolve()

    def documents(self, split: Split) -> Iterator[str]:
        """Yield source texts, in an order drawn by a hash of the path.

        Raises:
            CorpusError: the sources are missing, as in some embedded Pythons.
        """
        if not self._splits:
            raise CorpusError(f"no standard library sources under {self.root}: is Python complete?")
        return (self._texts[name] for name, its in self._splits.items() if its is split)

    def hidden(self) -> tuple[Path, ...]:
        """Return the val and audit files."""
        return tuple(
            sorted(self.root / name for name, its in self._splits.items() if its is not Split.TRAIN)
        )

    def held_out(self) -> tuple[Path, ...]:
        """Return all files here that are val or audit in the corpus of any Python."""
        return tuple(sorted(self.root / name for name in self._names() if _is_held_out(name)))

    def _names(self) -> list[str]:
        """Return the paths of its sources relative to the root, drawn by a hash of the path."""
        names = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*.py"))
        return sorted(filter(_is_corpus, names), key=lambda name: number(name.encode()))

    @cached_property
    def _texts(self) -> dict[str, str]:
        """Return texts by path; a generated file, or a copy of an earlier one, is left out."""
        texts: dict[str, str] = {}
        seen = {""}
        for name in self._names():
            text = _read(self.root / name)
            if text.strip() not in seen and not GENERATED.search(text[:600]):
                seen.add(text.strip())
                texts[name] = text
        return texts

    @cached_property
    def _splits(self) -> dict[str, Split]:
        sizes = {name: len(text) for name, text in self._texts.items()}
        held_out = sum(size for name, size in sizes.items() if _is_held_out(name))
        splits, taken = {}, 0
        for name, size in sizes.items():
            splits[name] = Split.TRAIN
            if _is_held_out(name):
                share = taken / held_out
                if share < VAL_SHARE + AUDIT_SHARE:
                    splits[name] = Split.VAL if share < VAL_SHARE else Split.AUDIT
                taken += size
        return splits


def _is_corpus(name: str) -> bool:
    parts = name.split("/")
    generated = parts[0].startswith(("config-", "_sysconfigdata"))
    return not (generated or name in TABLES or LEFT_OUT.intersection(parts[:-1]))


def _is_held_out(name: str) -> bool:
    top = name.split("/")[0].removesuffix(".py")
    return top in HELD_OUT and name not in STILL_IMPORTED


def _read(path: Path) -> str:
    """Read a source in the encoding it declares; a file that isn't Python text counts as empty."""
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (SyntaxError, UnicodeDecodeError):
        return ""
