"""What the kit knows of Colab, whose own module is stood in for: it exists on its machines only."""

import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_kit.ui import colab, doctor

USERDATA = """
class SecretNotFoundError(Exception):
    pass

class NotebookAccessError(Exception):
    pass

class TimeoutException(Exception):
    pass

def get(name):
    if name == "OPENAI_API_KEY":
        return "planted-key"
    raise globals()[name]
"""

ASK = "import sys; from autoresearch_kit.ui import colab; print(colab.secret(sys.argv[1]))"


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path that holds google.colab, as far as it is used."""
    package = tmp_path / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "userdata.py").write_text(USERDATA)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("google")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "planted-key"),
        ("SecretNotFoundError", "None"),
        ("NotebookAccessError", "None"),
        ("TimeoutException", "None"),
    ],
)
def test_a_secret_is_what_the_user_lets_this_notebook_see(name: str, value: str) -> None:
    argv = [sys.executable, "-c", ASK, name]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == f"{value}\n"


def test_elsewhere_there_are_no_secrets() -> None:
    assert not colab.on_colab()
    assert colab.secret("OPENAI_API_KEY") is None


@pytest.mark.usefixtures("google")
def test_the_doctor_says_that_colab_does_not_last(tmp_path: Path) -> None:
    advice = {finding.what: finding.advice for finding in doctor.examine(tmp_path)}
    assert "--copy-to /content/drive/MyDrive" in advice["colab"]
