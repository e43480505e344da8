"""What the `config` cell of the training notebook holds on which machine: a table."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Constant


@dataclass(frozen=True)
class Profile:
    """Constants of the `config` cell that suit a kind of machine; others stay as they are."""

    name: str
    machine: str
    constants: Mapping[str, Constant]


_CPU: Mapping[str, Constant] = {
    "DEPTH": 2,
    "HEADS": 2,
    "HEAD_DIM": 96,
    "DEVICE_BATCH_SIZE": 4,
    "GRAD_ACCUMULATION": 1,
    "COMPILE": True,
}

AS_IS = Profile("as-is", "any; the notebook's own constants", {})

PROFILES = (
    Profile("cpu", "a few processor cores and a C++ compiler", _CPU),
    Profile("cpu-eager", "a few processor cores, no C++ compiler", {**_CPU, "COMPILE": False}),
    AS_IS,
)
"""All profiles. benchmarks/README.md has the measurements behind the numbers."""


def find(name: str) -> Profile:
    """The profile of that name.

    Raises:
        InputError: there is none.
    """
    for profile in PROFILES:
        if profile.name == name:
            return profile
    known = ", ".join(profile.name for profile in PROFILES)
    raise InputError(f"no profile '{name}'; profiles: {known}")


def suited(constants: Mapping[str, Constant]) -> Profile:
    """The profile for a notebook with these constants, on this machine.

    Where they are some profile's, another may take its place. Where somebody has turned them, a
    person or a campaign whose best was adopted, they stay.
    """
    of_a_profile = any(
        all(constants.get(name, value) == value for name, value in one.constants.items())
        for one in PROFILES
        if one is not AS_IS
    )
    return choose() if of_a_profile else AS_IS


def choose() -> Profile:
    """The profile for this machine. torch.compile needs a C++ compiler on a CPU."""
    compilers = ("c++", "g++", "clang++")
    return find("cpu" if any(map(shutil.which, compilers)) else "cpu-eager")
