"""environment.yml and pyproject.toml ask for the same packages."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch", "msgspec-python": "msgspec", "matplotlib-base": "matplotlib"}
NOT_OURS = {"python", "pip"}


def split(requirement: str) -> tuple[str, str]:
    match = re.fullmatch(r"([\w.-]+)(.*)", requirement)
    assert match
    return CONDA_NAMES.get(match[1], match[1]), match[2]


def conda() -> dict[str, str]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    plain = [entry for entry in listed if isinstance(entry, str)]
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    return {name: bound for name, bound in map(split, plain + pip) if name not in NOT_OURS}


def project() -> dict[str, str]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return dict(map(split, table["dependencies"] + table["optional-dependencies"]["lab"]))


def test_conda_and_pip_install_the_same() -> None:
    assert conda() == project()
