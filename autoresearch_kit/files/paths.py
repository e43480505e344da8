"""Find and check folders of this machine."""

import os
from pathlib import Path

import platformdirs

from autoresearch_kit.errors import InputError


def data_home() -> Path:
    """Return the folder of prepared data sets: $AUTORESEARCH_DATA, else the user data folder.

    Raises:
        InputError: its path can't be used.
    """
    override = os.environ.get("AUTORESEARCH_DATA")
    usual = platformdirs.user_data_path("autoresearch_kit") / "data"
    return checked(Path(override) if override else usual, "the folder of prepared data sets")


def checked(path: Path, what: str) -> Path:
    """Return the path of `what`, if it can stand in records and in printed lines.

    Raises:
        InputError: it is not UTF-8, or has a line break.
    """
    text = str(path)
    is_utf8 = text.encode(errors="replace").decode() == text  # other bytes are surrogates in Python
    if is_utf8 and len(f"{text}.".splitlines()) == 1:
        return path
    raise InputError(f"{what} is {text!r}; its path must be UTF-8, on one line: rename or move it")


def overlap(one: Path, other: Path) -> bool:
    """Return whether one of two paths without links is, or lies in, the other."""
    return one.is_relative_to(other) or other.is_relative_to(one)
