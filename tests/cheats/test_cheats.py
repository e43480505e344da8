"""No way to fake progress gets a keep: each ends with a reason that names it, or scores no better.

Each is a notebook that goes through the real thing: papermill, kernel, sandbox, judge, predictors.
Its evidence, in what it printed or how its loss fell, says that it did what it meant to do. What
stops them is the sandbox, so without one there is nothing to test here. test_future has models that
see what they should predict.
"""

import py_compile
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import nbformat
import pytest
from _pytest.mark import ParameterSet

from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.runner import compile_cache
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Run, RunSpec
from tests.cheats import clocks, files, processes
from tests.cheats.ground import HONEST, Cells, Cheat, make_run

pytestmark = pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())

CHEATS = (*clocks.CHEATS, *files.CHEATS, *processes.CHEATS)

FAST = ("forged files", "environment stolen", "a fork bomb")

TOLERANCE = 0.03
"""Bits per byte by which another draw of the same training may be ahead; tricks pay more."""

STATE = '{"best_bpb": 1.5}'

Twin = Callable[[Cells], tuple[Run, RunSpec]]


def names() -> list[ParameterSet]:
    """The cheats as parameters, all but a few of them slow."""
    return [
        pytest.param(cheat, id=cheat.name, marks=() if cheat.name in FAST else pytest.mark.slow)
        for cheat in CHEATS
    ]


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    """Runs an honest notebook, once a session."""

    @cache
    def run_once(cells: Cells) -> tuple[Run, RunSpec]:
        return run(Cheat("honest", cells), tmp_path_factory.mktemp("twin"))

    return run_once


def run(cheat: Cheat, folder: Path) -> tuple[Run, RunSpec]:
    spec = make_run(folder, cheat)
    found = launch.execute(spec)
    assert reap.members(spec.run_id) == []
    return found, spec


def printed(spec: RunSpec) -> str:
    book = nbformat.read(spec.folder / handover.EXECUTED_FILE, nbformat.NO_CONVERT)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def is_better(found: Run, honest: Run) -> bool:
    """Whether it is visibly better than its twin, which had the same seed of the kit's."""
    assert honest.score is not None
    return found.score is not None and found.score.value < honest.score.value - TOLERANCE


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a campaign has beside its runs: a branch, a state, a key. None of it may change."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hush")
    folder = tmp_path / "project"
    folder.mkdir()
    git = ("git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "best"], check=True)
    subprocess.run([*git, "branch", "autoresearch/night"], check=True)
    shown = (*git, "rev-parse", "autoresearch/night")
    (folder / "state.json").write_text(STATE)
    before = subprocess.check_output(shown)
    yield
    assert subprocess.check_output(shown) == before
    assert (folder / "state.json").read_text() == STATE


@pytest.fixture(scope="module")
def bundled() -> Iterator[None]:
    """Copies of a held-out module as other programs bring them, beside what runs see."""
    import turtle

    folders = [Path(place) / "bundled" for place in (sys.prefix, sysconfig.get_path("purelib"))]
    for folder in folders:
        (folder / "__pycache__").mkdir(parents=True, exist_ok=True)
        shutil.copy(turtle.__file__, folder)
        py_compile.compile(turtle.__file__, cfile=str(folder / "__pycache__" / "turtle.pyc"))
        with zipfile.ZipFile(folder / "python3.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(turtle.__file__, "turtle.py")
    yield
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("cheat", names())
@pytest.mark.usefixtures("project", "bundled")
def test_a_cheat_ends_as_what_it_is(cheat: Cheat, tmp_path: Path, twin: Twin) -> None:
    if not cheat.needs:
        pytest.skip("what it needs is not on this machine")
    found, spec = run(cheat, tmp_path)
    assert found.failure is cheat.reason, found.detail
    assert cheat.detail in found.detail
    assert cheat.evidence in printed(spec)
    assert (spec.folder / handover.WORK_FOLDER / cheat.leaves).exists()
    if cheat.reason is None:
        assert not is_better(found, twin(cheat.twin)[0])


@pytest.mark.slow
@pytest.mark.parametrize("cells", dict.fromkeys(cheat.twin for cheat in CHEATS))
def test_an_honest_twin_passes(cells: Cells, twin: Twin) -> None:
    found, _ = twin(cells)
    assert found.score is not None, found.detail


@pytest.mark.slow
def test_training_longer_would_pay(twin: Twin) -> None:
    """Else cheats that get hold of time would prove nothing."""
    longer = Cells(HONEST.train.replace("step == 39", "step == 239"))
    assert is_better(twin(longer)[0], twin(HONEST)[0])


@pytest.mark.slow
def test_a_compile_cache_hands_on_neither_weights_nor_poison(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / compile_cache.FIRST_FILE).write_text("the baseline's code")
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
        spec = replace(make_run(folder, files.CACHE), compile_cache=tmp_path / "cache")
        found = launch.execute(spec)
        assert found.score is not None, found.detail
        assert "found 0 weights of earlier runs" in printed(spec)
    assert list((tmp_path / "cache").rglob("cab.py"))
    other = tmp_path / "other"
    other.mkdir()
    compile_cache.lend(tmp_path / "cache", "other code", other)
    assert [path for path in other.rglob("*") if path.is_file()] == []
