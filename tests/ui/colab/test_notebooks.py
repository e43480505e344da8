"""The notebooks under Colab's versions of Jupyter, pandas and matplotlib."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from autoresearch_kit.execution import handover, launch
from autoresearch_kit.records import Run, SandboxLevel
from autoresearch_kit.records.codec import decode, encode
from tests.campaign.tiny import git
from tests.execution.notebooks import make_dataset, make_spec, notebook
from tests.researchers.llm.conftest import Ledger, ledger
from tests.training.test_kernel import MODEL, SETUP, SUBMIT, TRAIN
from tests.ui.colab.conftest import Colab
from tests.ui.colab.test_first_cell import HOLDING, ROOT, adapted

__all__ = ["ledger"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info >= (3, 13), reason="Colab's numpy has no wheel for it"),
]


def outputs(path: Path) -> list[NotebookNode]:
    cells = nbformat.read(path, nbformat.NO_CONVERT).cells
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


def execute(colab: Colab, source: Path, *options: str, cwd: Path, **more: str) -> Path:
    """Run a notebook by papermill in Colab's environment; return the executed one."""
    ran = cwd / f"ran-{source.name}"
    colab.run("-m", "papermill", str(source), str(ran), *options, cwd=cwd, **more)
    return ran


def published(folder: Path) -> Path:
    """Return a repository to clone, with this project as it is here."""
    shutil.copytree(ROOT / "autoresearch_kit", folder / "autoresearch_kit")
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "begin")
    return folder


@pytest.mark.parametrize("source", HOLDING, ids=lambda path: path.stem)
def test_notebook_runs_to_its_end_and_starts_nothing(
    source: Path, colab: Colab, ledger: Ledger, corpus: Path, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "program.md", ledger.root)
    before = git(ledger.root, "for-each-ref")
    given = ("-p", "TAG", "night", "-p", "CORPUS", str(corpus))
    ran = execute(colab, source, *given, cwd=ledger.root, AUTORESEARCH_DATA=str(tmp_path))
    assert any("data" in output for output in outputs(ran))
    assert git(ledger.root, "for-each-ref") == before
    assert not ledger.workspace.running()


def test_by_hand_a_model_is_trained_and_scored(colab: Colab, tmp_path: Path) -> None:
    make_dataset(tmp_path / "toy")
    source = tmp_path / "train.ipynb"
    nbformat.write(notebook(TRAIN, setup=SETUP, model=MODEL, submit=SUBMIT), source)
    ran = execute(colab, source, cwd=tmp_path, AUTORESEARCH_DATA=str(tmp_path))
    bar, curve, score = outputs(ran)
    assert "application/vnd.jupyter.widget-view+json" in bar.data
    assert "image/png" in curve.data
    assert re.match(r"val_bpb \d\.\d{6}\n", score.text)


def test_a_run_of_a_campaign_hands_its_model_over(colab: Colab, tmp_path: Path) -> None:
    spec = make_spec(tmp_path, notebook("print('trained')"), sandbox=SandboxLevel.NONE)
    for name in (handover.SETUP_FILE, handover.SPEC_FILE):
        (spec.folder / name).write_bytes(encode(spec))
    argv = [colab.python, "-m", launch.MODULE, str(spec.folder)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, env=colab.environment()) as runner:
        assert runner.stdin is not None
        runner.stdin.write(f"{time.monotonic()}\n".encode())
        runner.stdin.flush()
        assert runner.wait() == 0  # it ends when its stdin is closed, so that is not
    run = decode(Run, (spec.folder / handover.RUN_FILE).read_bytes())
    assert (run.failure, run.steps) == (None, 7), run.detail
    [said] = outputs(spec.folder / handover.EXECUTED_FILE)
    assert said.text == "trained\n"


def test_it_brings_the_kit_and_replaces_nothing(colab: Colab, tmp_path: Path) -> None:
    project = published(tmp_path / "published")
    content = tmp_path / "content"
    content.mkdir()
    before = {path.name for path in colab.packages.iterdir()}
    (content / "sample_data").mkdir()
    subprocess.run(
        ["sh", "-c", adapted(project, content)],
        cwd=content,
        env=colab.environment(PYTHONPATH=""),
        check=True,
    )
    assert (content / "pyproject.toml").exists()
    after = {path.name for path in colab.packages.iterdir()}
    assert before <= after
    assert {name.partition("-")[0] for name in after - before} == {"autoresearch_kit"}
    assert (colab.folder / "bin" / "autoresearch").exists()
