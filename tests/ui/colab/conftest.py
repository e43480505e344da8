"""Colab's versions, in an environment laid over the one that runs the tests."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

VERSIONS = (
    "backcall==0.2.0", "decorator==4.4.2", "entrypoints==0.4", "ipykernel==6.17.1",
    "ipython==7.34.0", "ipython-genutils==0.2.0", "ipywidgets==7.7.1", "jupyter-client==7.4.9",
    "jupyterlab-widgets==3.0.16", "matplotlib==3.10.0", "nbclient==0.10.4", "nbconvert==7.17.1",
    "nest-asyncio==1.6.0", "numpy==2.0.2", "pandas==2.2.2", "pickleshare==0.7.5", "psutil==5.9.5",
    "pytz==2025.2", "pyzmq==26.2.1", "tornado==6.5.1", "traitlets==5.7.1",
    "widgetsnbextension==3.6.10",
)  # fmt: skip
"""Versions of github.com/googlecolab/backend-info, pip-freeze.gpu.txt, of June 2026."""

TOOLS = ("env", "git", "sh")
"""Programs that the kit calls and Colab has; it has no bubblewrap."""


@dataclass(frozen=True)
class Colab:
    """An environment like Colab's: `folder` has its Python, and only these programs are on PATH."""

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def packages(self) -> Path:
        return next(self.folder.glob("lib/python3*/site-packages"))

    def environment(self, **more: str) -> dict[str, str]:
        return os.environ | {"PATH": str(self.folder / "bin")} | more

    def run(self, *argv: str, cwd: Path, **more: str) -> str:
        """Return what `python *argv` prints; it must succeed."""
        done = subprocess.run(
            [self.python, *argv],
            cwd=cwd,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def colab(tmp_path_factory: pytest.TempPathFactory) -> Colab:
    """Make an environment with Colab's versions first, then this environment's packages."""
    made = Colab(tmp_path_factory.mktemp("colab"))
    venv.create(made.folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", made.python, "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-compile", *VERSIONS], check=True)
    here = sysconfig.get_path("purelib")
    (made.packages / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    for tool in TOOLS:
        path = shutil.which(tool)
        assert path is not None
        (made.folder / "bin" / tool).symlink_to(path)
    return made
