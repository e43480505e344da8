"""Secrets on Colab, whose own module is replaced here: it exists on its machines only."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch_kit.execution import machine_probe
from autoresearch_kit.ui import colab, doctor
from tests.ui.test_doctor import CPU

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


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put google.colab, as far as it is used, on the path."""
    package = tmp_path / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "userdata.py").write_text(USERDATA)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield
    for name in [name for name in sys.modules if name.startswith("google")]:
        if name not in before:
            del sys.modules[name]


@pytest.mark.usefixtures("google")
def test_a_secret_is_what_this_notebook_may_see() -> None:
    assert colab.secret("OPENAI_API_KEY") == "planted-key"
    for name in ("SecretNotFoundError", "NotebookAccessError", "TimeoutException"):
        assert colab.secret(name) is None


def test_elsewhere_there_are_no_secrets() -> None:
    assert not colab.on_colab()
    assert colab.secret("OPENAI_API_KEY") is None


@pytest.mark.usefixtures("google")
def test_the_doctor_says_that_colab_does_not_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTORESEARCH_DATA", str(tmp_path))
    monkeypatch.setattr(machine_probe, "probe_all", lambda: (CPU,))
    monkeypatch.setattr(machine_probe, "probe_inside", lambda *_, **__: CPU)
    advice = {finding.what: finding.advice for finding in doctor.examine(tmp_path)}
    assert "--copy-to /content/drive/MyDrive" in advice["colab"]
