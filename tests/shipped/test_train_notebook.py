import json
import pickle
import random
import subprocess
import sys
from io import BytesIO

import nbformat
import pytest
import torch

from autoresearch_kit import profiles
from autoresearch_kit.execution import submission
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.constants import ConstantSpec, Fixed, OneOf, Span
from autoresearch_kit.records import Constant
from tests.shipped.train_cells import NOTEBOOK, TINY, TinyRun, train

TRAINING = TrainNotebook.read(NOTEBOOK)
SPECS = TRAINING.constant_specs()
CODE = [cell for cell in TRAINING.cells if not cell.markdown]


def ends(spec: ConstantSpec) -> tuple[Constant, ...]:
    """The outermost values that a search may try."""
    match spec.range:
        case Span(low, high):
            return (type(spec.value)(low), type(spec.value)(high))
        case OneOf(options):
            return options
    return (TINY[spec.name],)


CORNERS = [
    pytest.param({spec.name: value}, id=f"{spec.name}={value}")
    for spec in SPECS.values()
    for value in ends(spec)
    if not isinstance(spec.range, Fixed)
]


def random_corners(seed: int) -> dict[str, Constant]:
    draw = random.Random(seed)
    return {name: draw.choice(ends(spec)) for name, spec in SPECS.items()}


# Its form


def test_it_is_a_valid_notebook_of_format_4_5() -> None:
    notebook = nbformat.read(NOTEBOOK, nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"


def test_it_has_the_cells_that_the_kit_knows() -> None:
    names = [cell.name for cell in CODE]
    expected = ["parameters", "setup", "config", "block", "model"]
    assert names == [*expected, "optimizer", "schedule", "train", "submit"]


def test_what_the_kit_relies_on_is_locked_and_the_rest_editable() -> None:
    tags = {cell.name: set(cell.tags) for cell in CODE}
    locked = {"parameters": {"parameters", "locked"}, "setup": {"locked"}, "submit": {"locked"}}
    assert tags == {name: locked.get(name, {"editable"}) for name in tags}


def test_ids_are_names() -> None:
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        assert cell["id"] == cell["metadata"]["name"]


def test_prose_stands_before_each_code_cell() -> None:
    for before, cell in zip(TRAINING.cells, TRAINING.cells[1:], strict=False):
        if not cell.markdown:
            assert (before.markdown, before.name) == (True, f"intro-{cell.name}")


def test_the_file_holds_sources_only() -> None:
    assert NOTEBOOK.read_text() == TRAINING.text()


def test_no_cell_is_long() -> None:
    assert max(len(cell.source.splitlines()) for cell in TRAINING.cells) <= 60


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_finds_nothing(command: list[str]) -> None:
    argv = [sys.executable, "-m", "ruff", *command, str(NOTEBOOK)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# Its constants


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_constant_says_what_it_is_and_lies_in_its_range(spec: ConstantSpec) -> None:
    assert spec.comment.partition(";")[0].strip()
    match spec.range:
        case Span(low, high):
            assert isinstance(spec.value, int | float)
            assert low <= spec.value <= high
        case OneOf(options):
            assert spec.value in options
        case None:
            pytest.fail(f"{spec.name} has no range")


def test_every_line_of_config_is_a_constant() -> None:
    lines = TRAINING.cell("config").source.splitlines()
    assert len([line for line in lines if line]) == len(SPECS)


@pytest.mark.parametrize("profile", profiles.PROFILES, ids=lambda profile: profile.name)
def test_a_profile_fits_the_config_cell(profile: profiles.Profile) -> None:
    constants = TRAINING.set_constants(profile.constants).constants()
    assert {name: constants[name] for name in profile.constants} == profile.constants


def test_the_notebook_as_committed_has_the_cpu_profile() -> None:
    cpu = profiles.find("cpu").constants
    assert TRAINING.set_constants(cpu).text() == TRAINING.text()


@pytest.mark.parametrize("constants", CORNERS)
def test_each_end_of_a_range_trains(constants: dict[str, Constant]) -> None:
    run, _ = train(constants, steps=2)
    assert len(run.losses) == 2
    assert all(loss < 10 for loss in run.losses)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_ends_of_ranges_train_together(seed: int) -> None:
    run, _ = train(random_corners(seed), steps=1)
    assert len(run.losses) == 1


# Its model


@pytest.fixture(scope="module")
def trained() -> tuple[TinyRun, torch.nn.Module]:
    """Trained a little, since layers that begin at zero hide what is behind them."""
    run, model = train(steps=30)
    return run, model.eval()


@torch.no_grad()
@pytest.mark.parametrize("place", [1, 2, 15, 31])
def test_no_position_knows_of_a_later_one(
    trained: tuple[TinyRun, torch.nn.Module], place: int
) -> None:
    _, model = trained
    tokens = torch.randint(64, (4, 32), generator=torch.Generator().manual_seed(place))
    other = tokens.clone()
    other[:, place:] = (other[:, place:] + 1) % 64
    before, after = model(tokens), model(other)
    torch.testing.assert_close(before[:, :place], after[:, :place], rtol=0, atol=1e-5)
    assert ((before - after)[:, place].abs().amax(-1) > 1e-2).all()


@torch.no_grad()
def test_logits_are_one_row_of_the_vocabulary_per_position(
    trained: tuple[TinyRun, torch.nn.Module],
) -> None:
    _, model = trained
    assert model(torch.zeros(3, 32, dtype=torch.int64)).shape == (3, 32, 64)


@torch.no_grad()
def test_a_pickled_model_predicts_the_same(trained: tuple[TinyRun, torch.nn.Module]) -> None:
    _, model = trained
    file = BytesIO()
    submission.save(model, file)
    tokens = torch.arange(32).view(1, 32)
    torch.testing.assert_close(pickle.loads(file.getvalue())(tokens), model(tokens))


def test_a_pickled_model_takes_nothing_along_that_it_does_not_need(
    trained: tuple[TinyRun, torch.nn.Module],
) -> None:
    _, model = trained
    file = BytesIO()
    submission.save(model, file)
    weights = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    assert file.tell() < weights + 40_000


# Its training


def test_the_loss_falls(trained: tuple[TinyRun, torch.nn.Module]) -> None:
    run, _ = trained
    assert run.losses[0] == pytest.approx(torch.tensor(64.0).log().item(), abs=0.1)
    assert run.losses[-1] < 0.5 * run.losses[0]


def test_the_loss_falls_in_bfloat16() -> None:
    run, _ = train(steps=30, bfloat16=True)
    assert run.losses[-1] < 0.5 * run.losses[0]


def test_every_parameter_is_trained() -> None:
    _, fresh = train(steps=0)
    _, trained = train(steps=3)
    old = dict(fresh.named_parameters())
    still = [name for name, new in trained.named_parameters() if torch.equal(new, old[name])]
    assert still == []


@pytest.mark.parametrize("constants", [{"CONTEXT_SHARE": 0.25}, {"GRAD_ACCUMULATION": 3}, {}])
def test_all_tokens_are_counted(constants: dict[str, Constant]) -> None:
    run, _ = train(constants, steps=2)
    accumulation = constants.get("GRAD_ACCUMULATION", 1)
    assert run.tokens == 2 * 4 * 32 * int(accumulation)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own, of its own
def test_a_changing_learning_rate_does_not_recompile() -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    train({"COMPILE": True}, steps=5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
