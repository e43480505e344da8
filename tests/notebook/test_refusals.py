"""Constant seeds, code in text and undefined names are refused; honest code is not."""

import pytest

from autoresearch_kit.errors import EditError
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.cells import Cell
from autoresearch_kit.notebook.refusals import find_refusals, undefined_names
from autoresearch_kit.records import CellEdit, EditAction
from tests.campaign import tiny
from tests.notebook import small

FIXED_LUCK = [
    "torch.manual_seed(1)",
    "torch.manual_seed(seed=1)",
    "torch.cuda.manual_seed_all(1337)",
    "manual_seed(int('1'))",
    "import random\nrandom.seed(0)",
    "np.random.seed(len('luck'))",
    "rng = np.random.default_rng(7)",
    "rng = np.random.Generator(np.random.PCG64(7))",
    "draw = random.Random(3)",
    "LUCK = 42\ntorch.manual_seed(LUCK)",
    "for luck in range(3):\n    torch.manual_seed(luck)",
    "torch.manual_seed(SEED * 0 + 1)",
    "torch.manual_seed(SEED % 2)",
    "torch.manual_seed(min(SEED, 1))",
    "torch.manual_seed(SEED and 1)",
    "s = SEED\ns = 1\ntorch.manual_seed(s)",
    "s = SEED\ns *= 0\ntorch.manual_seed(s)",
    "def seeded(s):\n    torch.manual_seed(s)\nseeded(1)",
    "def seeded(s=1):\n    torch.manual_seed(s)\nseeded()",
    "(lambda s: torch.manual_seed(s))(1)",
    "class Net:\n    def __init__(self, s):\n        torch.manual_seed(s)\nNet(1)",
    "f = torch.manual_seed\nf(1)",
    "from torch import manual_seed as f\nf(1)",
    "getattr(torch, 'manual_seed')(1)",
    "list(map(torch.manual_seed, [1]))",
    "torch.set_rng_state(torch.zeros(5056, dtype=torch.uint8))",
    "g = torch.Generator()\nw = torch.randn(3, generator=g)",
    "g = torch.Generator('cuda')",
    "w = init(shape, seed=1)",
    "SEED = 1",
    "run.seed = 1",
    "for SEED in [1]:\n    pass",
]

HIDDEN_CODE = [
    "exec('x = 1')",
    "eval('1 + 1')",
    "c = compile('x = 1', '', 'exec')",
    "import builtins\nbuiltins.exec('x = 1')",
    "from builtins import exec as run_it",
    "__import__('builtins')",
    "__builtins__['exec']('x = 1')",
    "globals()['__builtins__']",
    "def f():\n    'x = 1'\nprint(f.__doc__)",
    "getattr(f, '__doc__')",
    "import inspect\ninspect.getsource(f)",
    "get_ipython().run_cell('x = 1')",
    "source = In[1]",
    "import marshal",
    "f.__code__ = g.__code__",
]

HONEST = [
    "torch.manual_seed(SEED)",
    "torch.manual_seed(SEED + 1)",
    "torch.manual_seed(run.seed ^ 5)",
    "LUCK = SEED + 10\ntorch.manual_seed(LUCK)",
    "for at in range(3):\n    torch.manual_seed(SEED + at)",
    "rng = np.random.default_rng([SEED, 3])",
    "rng = np.random.Generator(np.random.PCG64(SEED))",
    "def seeded(s):\n    torch.manual_seed(s)\nseeded(SEED)\nseeded(SEED + 1)",
    "class Net:\n    def __init__(self, s):\n        torch.manual_seed(s)\nNet(SEED)",
    "g = torch.Generator().manual_seed(SEED)",
    "g = torch.Generator(device='cuda')\ng.manual_seed(SEED)",
    "torch.manual_seed(torch.initial_seed() + 1)",
    "torch.manual_seed(int(torch.randint(2**31, ())))",
    "state = torch.get_rng_state()\ntorch.set_rng_state(state)",
    "torch.seed()",
    "w = init(shape, seed=SEED)",
    "model = torch.compile(model)\nmodel.eval()",
    "seed_tokens = 3",
    "def f():\n    'Doc.'",
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()",
]


def refused(source: str) -> list[str]:
    return [problem.why for problem in find_refusals([Cell("model", source)])]


@pytest.mark.parametrize("source", FIXED_LUCK)
def test_a_seed_that_fixes_the_luck_is_refused(source: str) -> None:
    assert any("SEED" in why for why in refused(source))


@pytest.mark.parametrize("source", HIDDEN_CODE)
def test_code_in_text_is_refused(source: str) -> None:
    assert any("write the code itself" in why for why in refused(source))


@pytest.mark.parametrize("source", HONEST)
def test_honest_code_is_not_refused(source: str) -> None:
    assert refused(source) == []


def test_a_seed_is_traced_from_cell_to_cell() -> None:
    cells = [Cell("config", "LUCK = 42"), Cell("model", "torch.manual_seed(LUCK)")]
    assert [problem.cell for problem in find_refusals(cells)] == ["model"]


def test_an_edit_is_refused_unless_the_parent_has_the_same() -> None:
    baseline = TrainNotebook.parse(small.text())
    seeded, luckier = (
        CellEdit(EditAction.REPLACE, "model", f"import torch\ntorch.manual_seed({seed})")
        for seed in (1, 2)
    )
    parent = baseline.apply([seeded])
    with pytest.raises(EditError, match=r"'model', line 2: torch.manual_seed\(1\) .*SEED \+ 1"):
        parent.check(baseline)
    parent.set_constants({"DEPTH": 5}).check(parent)
    with pytest.raises(EditError, match="fixes the luck"):
        parent.apply([luckier]).check(parent)


def undefined(**cells: str) -> list[str]:
    notebook = TrainNotebook.parse(tiny.notebook_text(**cells))
    return [str(problem) for problem in undefined_names(notebook.cells)]


def test_an_undefined_name_is_reported_with_cell_and_line() -> None:
    (problem,) = undefined(model="x = 1\n\nmodel = wrap(x)\noptimizer = x")
    assert problem.startswith("cell 'model', line 3: no cell defines 'wrap'; define or import it")


@pytest.mark.parametrize(
    "cells",
    [
        {"model": "def build():\n    return batches\n\n\nmodel = optimizer = build"},
        {"train": "display(get_ipython())"},
        {"train": "from __future__ import annotations\n\nx = BATCH"},
        {"train": "from math import *\n\nx = sqrt(BATCH)"},
        {"setup": "%run helpers.py"},
    ],
    ids=["a later cell's, in a function", "Jupyter's", "the future", "a star", "locked magic"],
)
def test_a_name_that_may_be_defined_is_accepted(cells: dict[str, str]) -> None:
    assert undefined(**cells) == []


def test_check_accepts_a_name_that_the_parent_lacks() -> None:
    parent = TrainNotebook.parse(tiny.notebook_text(train="for _ in []:\n    never()"))
    parent.set_constants({"BATCH": 5}).check(parent)


def test_check_sees_a_name_whose_definition_was_deleted() -> None:
    parent = TrainNotebook.parse(tiny.notebook_text())
    with pytest.raises(EditError, match="cell 'train', line 5: no cell defines 'model'"):
        parent.apply([CellEdit(EditAction.DELETE, "model")]).check(parent)
