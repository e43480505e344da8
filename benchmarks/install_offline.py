"""Install the kit into this Python without a network, out of wheels that travelled with it.

    python benchmarks/install_offline.py [--wheels .gpu-wheels]

The checkout is installed editable, into this very Python: give it an environment to throw away.
What is there already stays, unless the kit needs a newer version. Where bubblewrap is missing it is
unpacked too, as root. `collect_wheels.py` makes the folder. Needs nothing but Python and pip.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
EDITABLE = ("--no-build-isolation", "--editable", str(ROOT))


def pip(wheels: Path, *what: str) -> int:
    """Have pip install out of the folder alone; return its status."""
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*argv, "--no-index", "--find-links", str(wheels), *what])
    return done.returncode


def install(wheels: Path) -> int:
    """Install the kit and what its tests on a GPU need; return 0 where that went well."""
    print(f"installing into {sys.prefix}", flush=True)
    status = pip(wheels, "hatchling", "editables")
    status = status or pip(wheels, *EDITABLE, "pytest", "pytest-timeout", "pytest-xdist")
    if status:
        print("pip finds no set that fits: installing every wheel as it is", flush=True)
        files = [str(path) for path in sorted(wheels.glob("*.whl"))]
        status = pip(wheels, "--no-deps", *files) or pip(wheels, "--no-deps", *EDITABLE)
    subprocess.run([sys.executable, "-m", "pip", "check"])  # what it says is for the log
    return status


def unpack_bubblewrap(packages: Sequence[Path]) -> str:
    """Unpack bubblewrap where it is missing; return in words what became of it."""
    if shutil.which("bwrap"):
        return "there already"
    if not packages:
        return "missing, and its package did not travel: runs have no sandbox"
    if os.getuid() != 0:
        return "missing, and only root can unpack it: runs have no sandbox"
    done = subprocess.run(["dpkg", "-x", str(packages[0]), "/"])
    return "unpacked" if done.returncode == 0 else "dpkg could not unpack it"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--wheels", type=Path, default=ROOT / ".gpu-wheels")
    given = parser.parse_args()
    print(f"| bubblewrap | {unpack_bubblewrap(sorted(given.wheels.glob('*.deb')))} |", flush=True)
    if not given.wheels.is_dir():
        print(f"no {given.wheels}: taking this Python as it is", flush=True)
        return subprocess.run([sys.executable, "-c", "import autoresearch_kit"]).returncode
    return install(given.wheels)


if __name__ == "__main__":
    sys.exit(main())
