"""Read a table of TOML strictly: what is wrong in it is noted, and reading goes on."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard

LARGEST = 1e9
"""In seconds, 30 years."""


class Table:
    """Values of a TOML table, each read once; problems go to a list that tables share.

    `where` begins each problem, as in "task.toml, [limits]". A value of the wrong type is noted,
    and read as the one given for a missing one.
    """

    def __init__(self, values: Mapping[str, object], where: str, problems: list[str]) -> None:
        self._values = values
        self._where = where
        self._problems = problems
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def note(self, problem: str) -> None:
        """Note what is wrong in this table."""
        self._problems.append(f"{self._where}: {problem}")

    def text(self, key: str, missing: str = "") -> str:
        """Return a text."""
        value = self._take(key, missing)
        if _is_text(value):
            return value.strip()
        self.note(f'{key} is {value!r}; it must be a text, as in {key} = "..."')
        return missing

    def flag(self, key: str, *, missing: bool = False) -> bool:
        """Return true or false."""
        value = self._take(key, missing)
        if isinstance(value, bool):
            return value
        self.note(f"{key} is {value!r}; it must be true or false, without quotes")
        return missing

    def positive(self, key: str, missing: float | None = None) -> float | None:
        """Return a number above 0, and no larger than any use of it."""
        value = self._take(key, missing)
        if key not in self:
            return missing
        is_flag = isinstance(value, bool)
        if isinstance(value, int | float) and not is_flag and 0 < value <= LARGEST:
            return float(value)
        shown = repr(value)[:40]
        self.note(
            f"{key} is {shown}; it must be a number above 0, such as {key} = 60, and at most "
            f"{LARGEST:g}"
        )
        return missing

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, none of them empty or twice."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(_is_text(e) and e.strip() for e in value):
            self.note(f'{key} is {value!r}; it must be a list of texts, as in {key} = ["..."]')
            return ()
        for each in sorted({each for each in value if value.count(each) > 1}):
            self.note(f"{key} has {each!r} twice; leave one out")
        return tuple(dict.fromkeys(value))

    def table(self, key: str) -> "Table":
        """Return the table `[key]`, empty where it is missing."""
        value = self._take(key, {})
        if not isinstance(value, dict):
            self.note(f"{key} is {value!r}; write it as a table, below a line [{key}]")
            value = {}
        return Table(value, f"{self._where}, [{key}]", self._problems)

    def tables(self, key: str) -> Sequence["Table"]:
        """Return the tables `[[key]]`, in their order."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.note(f"{key} is {value!r}; write each of them below a line [[{key}]]")
            return ()
        return [
            Table(each, f"{self._where}, [[{key}]] {number}", self._problems)
            for number, each in enumerate(value, 1)
        ]

    def end(self, way_out: Callable[[str], str] = lambda _: "") -> None:
        """Note the keys that nobody asked for; `way_out` may know what to do with one."""
        for key in self._values.keys() - {*self._known}:
            near = difflib.get_close_matches(key, self._known, 1)
            known = f"did you mean {near[0]}?" if near else f"known are {', '.join(self._known)}"
            self.note(f"unknown key {key}; {way_out(key) or known}")

    def _take(self, key: str, missing: object) -> object:
        self._known.append(key)
        return self._values.get(key, missing)


def _is_text(value: object) -> TypeGuard[str]:
    """Return whether it is a text that can be an argument of a program."""
    return isinstance(value, str) and "\0" not in value
