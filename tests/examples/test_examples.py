"""The tasks in examples/: complete, clean, and run by a campaign as they are."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pytest

from autoresearch_kit.campaign.campaign import Campaign
from autoresearch_kit.campaign.options import Options
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.records import Clock, Limits, Rule
from autoresearch_kit.tasks.measured.check import problems
from tests.campaign import tiny

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NAMES = ["digits", "log_parser", "offers"]
OPTIONS = Options(train_seconds=2.0, seeds=1, rule=Rule.GREEDY, max_elsewhere=1.0, clock=Clock.WALL)
"""One run, whatever else the machine does, and no longer beside other tests."""
NOTEBOOKS = sorted(EXAMPLES.glob("*/*.ipynb"))


@pytest.mark.parametrize("name", NAMES)
def test_check_finds_nothing_wrong(name: str) -> None:
    assert problems(ROOT, f"examples/{name}") == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_its_notebooks_are_valid_and_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all((cell.outputs, cell.execution_count) == ([], None) for cell in code)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_stands_before_each_code_cell(name: str) -> None:
    for path in (EXAMPLES / name).glob("*.ipynb"):
        kinds = [cell.cell_type for cell in nbformat.read(path, nbformat.NO_CONVERT).cells]
        assert all(before == "markdown" for before, kind in pairwise(kinds) if kind == "code")


def test_no_hidden_digit_is_among_the_seen_ones() -> None:
    parts = [
        np.load(EXAMPLES / "digits" / part / "digits.npz")["images"]
        for part in ("data", "hidden", "hidden/audit")
    ]
    images = [{image.tobytes() for image in part} for part in parts]
    assert [len(part) for part in images] == [900, 600, 297]
    assert len(set[bytes]().union(*images)) == 1797


def test_no_hidden_line_is_among_the_seen_ones() -> None:
    seen, hidden = (
        set((EXAMPLES / "log_parser" / part / "access.log").read_text().splitlines())
        for part in ("data", "hidden")
    )
    assert not seen & hidden


def test_ends_of_lines_tell_nothing_of_a_later_round() -> None:
    """A parser that remembered them was three times as fast."""
    folder = EXAMPLES / "log_parser"
    cells = nbformat.read(folder / "measure.ipynb", nbformat.NO_CONVERT).cells
    source = {cell.metadata.name: cell.source for cell in cells}
    known: dict[str, Any] = {"measure": SimpleNamespace(hidden=folder / "hidden")}
    for name in ("setup", "reference", "hidden"):
        exec(source[name].replace("from autoresearch_kit.measuring import measure", ""), known)
    first, second, *_ = ({line.partition("] ")[2] for line in lines} for lines in known["rounds"])
    assert len(first & second) < 0.03 * len(first)


def measured(root: Path, name: str) -> Mapping[str, float]:
    """Run an example's baseline in a project of its own, and return its values."""
    tiny.make_project(root)
    shutil.copytree(EXAMPLES / name, root / name)
    options = replace(OPTIONS, task=str(root / name))
    loop = Campaign(name, settle(root, name, options), root=root).run(Limits(experiments=1))
    [run] = next(loop).runs
    loop.close()
    assert run.score is not None, run.detail
    return run.score.values


@pytest.mark.slow
def test_digits_are_measured_and_timed(tmp_path: Path) -> None:
    values = measured(tmp_path / "project", "digits")
    assert 0 <= values["error"] <= values["worst_digit_error"] <= 1
    assert 0 < values["inference_seconds"] < 0.01


@pytest.mark.slow
def test_the_parser_is_measured_and_right(tmp_path: Path) -> None:
    values = measured(tmp_path / "project", "log_parser")
    assert values["wrong"] == 0
    assert values["nanoseconds"] > 100


@pytest.mark.slow
def test_offers_by_chance_get_what_chance_gets(tmp_path: Path) -> None:
    values = measured(tmp_path / "project", "offers")
    assert abs(values["extra_clicks"]) < 0.1
    assert 3.5 < values["clicks"] < 5
    assert values["effective_impressions"] > 29_000
