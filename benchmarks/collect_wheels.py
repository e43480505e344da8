"""Collect what `make gpu` installs on a machine that has no network: wheels, and bubblewrap.

    python benchmarks/collect_wheels.py [--python 3.12] [--there LIST] [--into .gpu-wheels]

Run it where there is a network, on Linux; it needs uv (`pip install uv`). LIST is a file that says
what the other machine's Python has already, as `pip list --format=freeze` prints it there: these
versions are kept where the kit can work with them. A name alone will do, without its version. torch
never travels, nor what only torch needs.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTING = ("pytest", "pytest-timeout", "pytest-xdist")
"""The part of the test extra that tests on a GPU need."""

BUILDING = ("hatchling", "editables")
"""Packages that install the checkout there."""

LARGE_BYTES = 1_000_000
"""A wheel of something that is there already travels only if it is smaller: the version that is
there may be too old, and then pip takes this one."""

MACHINE, GLIBC_MINOR = "x86_64", 28
PLATFORMS = [
    *(f"manylinux_2_{minor}_{MACHINE}" for minor in range(GLIBC_MINOR, 4, -1)),
    *(f"manylinux{year}_{MACHINE}" for year in (2014, 2010, 1)),
]


def requirements() -> list[str]:
    """Return what the kit, its tests on a GPU and its installation need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tests = project["optional-dependencies"]["test"]
    return [*project["dependencies"], *(t for t in tests if name_of(t) in TESTING), *BUILDING]


def name_of(requirement: str) -> str:
    """Return the normalised name in a requirement, a pin or the name of a wheel's file.

    As in https://packaging.python.org/en/latest/specifications/name-normalization/.
    """
    name = re.split(r"[^\w.-]|-(?=\d)", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(python: str, there: Iterable[str], folder: Path) -> Path:
    """Write a file of pins for that Python: of what is there the same versions, as far as may be.

    Raises:
        SystemExit: there is no such set of wheels; uv has said why.
    """
    asked, pins, without = folder / "asked.in", folder / "pins.txt", folder / "without.txt"
    asked.write_text("\n".join(requirements()))
    pins.write_text("\n".join(line for line in there if "==" in line and "@" not in line))
    without.write_text("torch ; python_version < '0'")
    target = ["--python-version", python, "--python-platform", PLATFORM_OF_UV]
    found = ["--only-binary", ":all:", "--no-annotate", "--no-header", "--quiet"]
    argv = [sys.executable, "-m", "uv", "pip", "compile", str(asked), "--output-file", str(pins)]
    done = subprocess.run([*argv, "--override", str(without), *target, *found])
    if done.returncode:
        raise SystemExit("uv found no set of wheels (pip install uv, if it is missing)")
    return pins


PLATFORM_OF_UV = f"{MACHINE}-manylinux_2_{GLIBC_MINOR}"


def download(pins: Path, python: str, into: Path) -> None:
    """Download the wheel of every pin.

    Raises:
        subprocess.CalledProcessError: pip has said why.
    """
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(into)]
    argv += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    argv += [f"--platform={platform}" for platform in PLATFORMS]
    subprocess.run([*argv, "--requirement", str(pins)], check=True)


def leave_out(wheels: Iterable[Path], there: Iterable[str]) -> list[Path]:
    """Return the large wheels of what is there already."""
    names = {name_of(line) for line in there}
    return [
        wheel
        for wheel in wheels
        if name_of(wheel.name) in names and wheel.stat().st_size > LARGE_BYTES
    ]


def fetch_bubblewrap(into: Path) -> None:
    """Download the .deb of bubblewrap where there is apt-get."""
    if shutil.which("apt-get") is None:
        print("no apt-get here: bubblewrap does not travel, and runs have no sandbox there")
        return
    subprocess.run(["apt-get", "download", "--quiet=2", "bubblewrap"], cwd=into, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--python", default="3.12", help="the other machine's version of Python")
    parser.add_argument("--there", type=Path, help="what it has already: a file, one a line")
    parser.add_argument("--into", type=Path, default=ROOT / ".gpu-wheels")
    given = parser.parse_args()
    there = given.there.read_text().splitlines() if given.there else []
    given.into.mkdir(parents=True, exist_ok=True)
    for old in [*given.into.glob("*.whl"), *given.into.glob("*.deb")]:
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        download(resolve(given.python, there, Path(folder)), given.python, given.into)
    for wheel in leave_out(given.into.glob("*.whl"), [line for line in there if line.strip()]):
        wheel.unlink()
    fetch_bubblewrap(given.into)
    sizes = [path.stat().st_size for path in given.into.iterdir()]
    print(f"{len(sizes)} files in {given.into}, {sum(sizes) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
