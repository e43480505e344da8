"""Both training notebooks are readable, have their profiles' constants, and train."""

import pickle
import random
from functools import partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from autoresearch_kit.machine import profiles
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.constants import ConstantSpec, OneOf, Span
from autoresearch_kit.records import Constant
from autoresearch_kit.researchers.domains import Choice, Numbers, find_domains
from autoresearch_kit.tasks.lm.task import LANGUAGE_MODEL
from autoresearch_kit.training import submission
from tests.shipped.train_cells import GPU_NOTEBOOK, NOTEBOOK, ROOT, TINY, TinyRun, execute, train

NOTEBOOKS = {path: TrainNotebook.read(path) for path in (NOTEBOOK, GPU_NOTEBOOK)}
both = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
SPECS = [
    pytest.param(path, spec, id=f"{path.stem}-{spec.name}")
    for path, notebook in NOTEBOOKS.items()
    for spec in notebook.constant_specs().values()
]
PROFILES = [profile for profile in profiles.PROFILES if profile is not profiles.AS_IS]
LOCKED = ("parameters", "setup", "submit")

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own


# Their form


@both
def test_prose_stands_before_each_code_cell(path: Path) -> None:
    for before, cell in pairwise(NOTEBOOKS[path].cells):
        if not cell.markdown:
            assert (before.markdown, before.name) == (True, f"intro-{cell.name}")


@both
def test_three_cells_are_locked_and_the_others_can_be_searched(path: Path) -> None:
    assert not list(LANGUAGE_MODEL.notebook_problems(NOTEBOOKS[path].cells))
    code = [cell for cell in NOTEBOOKS[path].cells if not cell.markdown]
    assert tuple(cell.name for cell in code if cell.locked) == LOCKED
    assert all(cell.locked != cell.editable for cell in code)


@both
def test_it_has_no_outputs_and_no_long_cells(path: Path) -> None:
    assert path.read_text() == NOTEBOOKS[path].text()
    sources = [cell.source for cell in NOTEBOOKS[path].cells]
    assert sum(map(len, sources)) < 24_000
    assert max(len(source.splitlines()) for source in sources) <= 60


# Their constants


def ends(spec: ConstantSpec, tiny: Constant) -> tuple[Constant, ...]:
    """Return the outermost values that a search may try."""
    match find_domains({spec.name: spec}, {}).get(spec.name):
        case Choice(options):
            return options
        case Numbers(low, high):
            number = type(spec.value)
            return (number(low), number(high if spec.range else min(high, 8)))
    return (tiny,)  # no search changes it


def check_range(spec: ConstantSpec) -> None:
    match spec.range:
        case Span(low, high):
            assert isinstance(spec.value, int | float)
            assert low <= spec.value <= high
        case OneOf(options):
            assert spec.value in options


@pytest.mark.parametrize(("path", "spec"), SPECS)
def test_each_constant_has_a_comment_and_a_valid_range(path: Path, spec: ConstantSpec) -> None:
    assert spec.comment.partition(";")[0].strip()
    assert spec.range is not None or spec.name in ("DEPTH", "DEVICE_BATCH_SIZE")
    check_range(spec)


@both
def test_config_has_fifteen_to_twenty_constants_and_nothing_else(path: Path) -> None:
    lines = NOTEBOOKS[path].cell("config").source.splitlines()
    assert 15 <= len(NOTEBOOKS[path].constants()) == len(list(filter(None, lines))) <= 20


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_profile_sets_constants_of_its_notebook_in_their_ranges(
    profile: profiles.Profile,
) -> None:
    changed = NOTEBOOKS[ROOT / profile.notebook].set_constants(profile.constants)
    assert profile.constants.items() <= changed.constants().items()
    for spec in changed.constant_specs().values():
        check_range(spec)


@both
def test_profiles_of_one_notebook_set_the_same_constants(path: Path) -> None:
    """Else a notebook that had another profile would keep some of its constants."""
    own = [profile for profile in PROFILES if ROOT / profile.notebook == path]
    assert len({frozenset(profile.constants) for profile in own}) == 1


@pytest.mark.parametrize(("path", "name"), [(NOTEBOOK, "cpu"), (GPU_NOTEBOOK, "h100")])
def test_the_notebook_as_committed_has_its_profile(path: Path, name: str) -> None:
    constants = profiles.find(name).constants
    assert NOTEBOOKS[path].set_constants(constants).text() == NOTEBOOKS[path].text()


@pytest.mark.parametrize(("path", "spec"), SPECS)
def test_each_end_of_a_range_trains(path: Path, spec: ConstantSpec) -> None:
    for value in ends(spec, TINY[path].get(spec.name, spec.value)):
        run, _ = train(path, {spec.name: value}, steps=2)
        assert len(run.losses) == 2
        assert all(loss < 10 for loss in run.losses)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@both
def test_ends_of_ranges_train_together(path: Path, seed: int) -> None:
    draw, specs = random.Random(seed), NOTEBOOKS[path].constant_specs()
    tiny = {name: TINY[path].get(name, spec.value) for name, spec in specs.items()}
    run, _ = train(path, {n: draw.choice(ends(spec, tiny[n])) for n, spec in specs.items()})
    assert len(run.losses) == 1


# Their models


Trained = tuple[Path, TinyRun, torch.nn.Module]


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def trained(request: pytest.FixtureRequest) -> Trained:
    """Trained a little, since layers that begin at zero hide what is behind them."""
    run, model = train(request.param, steps=30)
    return request.param, run, model.eval()


@torch.no_grad()
@pytest.mark.parametrize("cut", [1, 2, 15, 31])
def test_no_position_knows_of_a_later_one(trained: Trained, cut: int) -> None:
    _, _, model = trained
    tokens = torch.randint(64, (4, 32), generator=torch.Generator().manual_seed(cut))
    other = tokens.clone()
    other[:, cut:] = (other[:, cut:] + 1) % 64
    before, after = model(tokens), model(other)
    torch.testing.assert_close(before[:, :cut], after[:, :cut], rtol=0, atol=1e-5)
    assert ((before - after)[:, cut].abs().amax(-1) > 1e-2).all()


@torch.no_grad()
def test_a_pickled_model_predicts_the_same_and_takes_little_along(trained: Trained) -> None:
    _, _, model = trained
    file = BytesIO()
    submission.save(model, file)
    tokens = torch.arange(32).view(1, 32)
    loaded = pickle.loads(file.getvalue())(tokens)
    assert loaded.shape == (1, 32, 64)
    torch.testing.assert_close(loaded, model(tokens))
    weights = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    assert file.tell() < weights + 40_000


# Their training


def test_the_loss_falls_and_the_same_seed_repeats_it(trained: Trained) -> None:
    path, run, _ = trained
    assert train(path, steps=30)[0].losses == run.losses
    assert run.losses[0] == pytest.approx(torch.tensor(64.0).log().item(), abs=0.1)
    assert run.losses[-1] < 0.5 * run.losses[0]


@pytest.mark.parametrize(
    ("path", "precision", "steps"),
    [
        (NOTEBOOK, torch.float16, 15),
        (GPU_NOTEBOOK, torch.bfloat16, 30),
    ],
    ids=["t4-float16", "h100-bfloat16"],
)
def test_the_loss_falls_in_half_precision(path: Path, precision: torch.dtype, steps: int) -> None:
    run, _ = train(path, steps=steps, precision=precision)
    assert run.losses[-1] < 0.7 * run.losses[0]


@both
def test_every_parameter_is_trained(path: Path) -> None:
    _, fresh = train(path, steps=0)
    _, trained = train(path, steps=3)
    old = dict(fresh.named_parameters())
    assert [n for n, new in trained.named_parameters() if torch.equal(new, old[n])] == []


@pytest.mark.gpu
@both
def test_cuda_agrees_with_the_cpu(path: Path) -> None:
    """Compare in float32. Rounding grows with the slope of the loss: to 0.0036 on an H200."""
    here, there = (train(path, steps=20, device=device)[0] for device in ("cpu", "cuda"))
    assert there.losses == pytest.approx(here.losses, abs=1e-2)


@pytest.mark.parametrize("accumulation", [1, 2])
@both
def test_out_of_memory_changes_neither_step_size_nor_result(path: Path, accumulation: int) -> None:
    constants = {"DEVICE_BATCH_SIZE": 4, "GRAD_ACCUMULATION": accumulation}
    roomy, small = (train(path, constants, 5, most_rows=rows)[0] for rows in (1000, 1))
    assert small.losses == pytest.approx(roomy.losses, rel=1e-3)
    assert small.tokens == roomy.tokens == 5 * 4 * 32 * accumulation
    assert [said.partition(":")[0] for said in small.said] == [
        "out of memory with 4 rows at once",
        "out of memory with 2 rows at once",
    ]


def test_a_changing_learning_rate_does_not_recompile(monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    # the same graphs as with inductor, which takes half a minute
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    run = TinyRun(5, torch.float32, "cpu", 1000)
    execute(run, NOTEBOOK, {**TINY[NOTEBOOK], "COMPILE": True})
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
