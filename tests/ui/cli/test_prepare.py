"""`prepare` on the user's own text."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoresearch_kit.execution import machine_probe
from autoresearch_kit.machine import gpu_nodes
from autoresearch_kit.records import Accelerator
from autoresearch_kit.ui.cli.app import app


def typed(*argv: str) -> str:
    done = CliRunner().invoke(app, ["prepare", *argv])
    assert done.exit_code == 0, done.output
    return Path(done.stdout.strip()).name


def test_other_sizes_make_another_data_set(corpus: Path) -> None:
    assert typed(str(corpus), "--vocab-size", "300", "--context", "32").endswith("-v300-t32")


def test_on_a_gpu_own_text_has_the_profiles_vocabulary(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_probe, "accelerator", lambda: Accelerator("cuda", (9, 0), 85_000))
    assert typed(str(corpus), "--context", "32").endswith("-v8192-t32")


def test_the_machine_is_not_probed_where_no_gpu_is(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_nodes, "DEV", tmp_path)
    monkeypatch.setattr(machine_probe, "probe", lambda: pytest.fail("torch was loaded"))
    assert typed(str(corpus)).count("-") == 1
