"""Test that no faked progress gets a keep: it ends for a reason that names it, or scores no better.

Each is a notebook that goes through papermill, kernel, sandbox, judge and predictors. Its evidence,
in what it printed, says that it did what it meant to do. What stops them is the sandbox, so without
one there is nothing to test here. Models that see what they
should predict are in tests/execution/judge/test_gate.py.
"""

import py_compile
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from _pytest.mark import ParameterSet

from autoresearch_kit.execution import handover, launch
from autoresearch_kit.execution.processes import reap
from autoresearch_kit.execution.runner import compile_cache
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Run, RunSpec
from tests.bundled import empty
from tests.bundled import folders as bundled_folders
from tests.cheats import clocks, files, processes
from tests.cheats.base import HONEST, Cheat, make_run

pytestmark = pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())

CHEATS = (*clocks.CHEATS, *files.CHEATS, *processes.CHEATS)

FAST = ("a fork bomb",)

TOLERANCE = 0.03
"""Bits per byte by which another draw of the same training may be ahead; tricks pay more."""

STATE = '{"best_bpb": 1.5}'


def names() -> list[ParameterSet]:
    """Return the cheats as parameters, all but a few of them slow."""
    return [
        pytest.param(cheat, id=cheat.name, marks=() if cheat.name in FAST else pytest.mark.slow)
        for cheat in CHEATS
    ]


def run(cheat: Cheat, folder: Path) -> tuple[Run, RunSpec]:
    spec = make_run(folder, cheat)
    with project_beside(folder):
        ended = launch.execute(spec)
    assert reap.members(spec.run_id) == []
    assert ended.failure is cheat.reason, ended.detail
    for detail in cheat.details:
        assert detail in ended.detail
    return ended, spec


def printed(spec: RunSpec) -> str:
    book = nbformat.read(spec.folder / handover.EXECUTED_FILE, nbformat.NO_CONVERT)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def is_better(ended: Run, honest: Run) -> bool:
    """Return whether it is visibly better than its twin, which had the same seed of the kit's."""
    assert honest.score is not None
    return ended.score is not None and ended.score.value < honest.score.value - TOLERANCE


@contextmanager
def project_beside(runs: Path) -> Iterator[None]:
    """Make what a campaign has beside its runs: a branch, a state, a key. None of it may change."""
    folder = runs / "project"
    folder.mkdir()
    git = ("git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "best"], check=True)
    subprocess.run([*git, "branch", "autoresearch/night"], check=True)
    shown = (*git, "rev-parse", "autoresearch/night")
    (folder / "state.json").write_text(STATE)
    before = subprocess.check_output(shown)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-hush")
        yield
    assert subprocess.check_output(shown) == before
    assert (folder / "state.json").read_text() == STATE


@pytest.fixture(scope="module")
def bundled() -> Iterator[None]:
    """Yield copies of a held-out module as other programs bring them, beside what runs see."""
    import turtle

    folders = bundled_folders("bundled")
    for folder in folders:
        (folder / "__pycache__").mkdir(parents=True, exist_ok=True)
        shutil.copy(turtle.__file__, folder)
        py_compile.compile(turtle.__file__, cfile=str(folder / "__pycache__" / "turtle.pyc"))
        with zipfile.ZipFile(folder / "python3.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(turtle.__file__, "turtle.py")
    yield
    for folder in folders:
        empty(folder)


@pytest.fixture(scope="module")
def attempts(bundled: None, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return the output of each attempt of the notebook that looks for what is hidden."""
    _, spec = run(files.HIDDEN, tmp_path_factory.mktemp("hidden"))
    sections = printed(spec).split("== ")[1:]
    return dict(section.split("\n", 1) for section in sections)


@pytest.mark.parametrize("name", files.ATTEMPTS)
def test_what_is_hidden_can_not_be_reached(name: str, attempts: Mapping[str, str]) -> None:
    for line in files.ATTEMPTS[name][1]:
        assert line in attempts[name]


@pytest.mark.parametrize("cheat", names())
def test_a_cheat_ends_for_its_own_reason(cheat: Cheat, tmp_path: Path) -> None:
    if not cheat.needs:
        pytest.skip("what it needs is not on this machine")
    ended, spec = run(cheat, tmp_path)
    for line in cheat.evidence:
        assert line in printed(spec)
    assert (spec.folder / handover.WORK_FOLDER / cheat.leaves).exists()
    if cheat.reason is None:
        (tmp_path / "twin").mkdir()
        honest, _ = run(Cheat("honest", HONEST), tmp_path / "twin")
        assert not is_better(ended, honest)


@pytest.mark.slow
def test_a_compile_cache_hands_on_neither_weights_nor_poison(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / compile_cache.FIRST_FILE).write_text("the baseline's code")
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
        spec = replace(make_run(folder, files.CACHE), compile_cache=tmp_path / "cache")
        ended = launch.execute(spec)
        assert ended.score is not None, ended.detail
        assert "loaded 0 weights of earlier runs" in printed(spec)
    assert list((tmp_path / "cache").rglob("cab.py"))
    other = tmp_path / "other"
    other.mkdir()
    compile_cache.lend(tmp_path / "cache", "other code", other)
    assert [path for path in other.rglob("*") if path.is_file()] == []
