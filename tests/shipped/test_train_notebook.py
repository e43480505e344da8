import json
import pickle
import random
import subprocess
import sys
from io import BytesIO

import nbformat
import pytest
import torch

from autoresearch_kit.machine import profiles
from autoresearch_kit.notebook import TrainNotebook
from autoresearch_kit.notebook.constants import ConstantSpec, Fixed, OneOf, Span
from autoresearch_kit.records import Constant
from autoresearch_kit.researchers.domains import Numbers, find_domains
from autoresearch_kit.training import submission
from tests.shipped.train_cells import NIGHT, NOTEBOOK, TINY, TinyRun, train

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
        case Fixed():
            return (TINY.get(spec.name, spec.value),)
    domain = find_domains({spec.name: spec}, {})[spec.name]
    assert isinstance(domain, Numbers)
    return (int(domain.low), int(domain.high))


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
    of_the_model = ["attention", "block", "layer", "model"]
    training = ["muon", "optimizer", "schedule", "train"]
    assert names == ["parameters", "setup", "config", *of_the_model, *training, "submit"]


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


def test_it_fits_into_a_prompt() -> None:
    assert sum(len(cell.source) for cell in TRAINING.cells) < 30_000


def test_no_cell_is_long() -> None:
    assert max(len(cell.source.splitlines()) for cell in TRAINING.cells) <= 60


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_finds_nothing(command: list[str]) -> None:
    argv = [sys.executable, "-m", "ruff", *command, str(NOTEBOOK)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# Its constants


OF_THE_MACHINE = ("DEPTH", "DEVICE_BATCH_SIZE")
"""Without a range of their own: what is worth a try lies around what the profile sets."""


def check_range(spec: ConstantSpec) -> None:
    """Its value lies in its range, if it has one."""
    match spec.range:
        case Span(low, high):
            assert isinstance(spec.value, int | float)
            assert low <= spec.value <= high
        case OneOf(options):
            assert spec.value in options


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_constant_says_what_it_is_and_lies_in_its_range(spec: ConstantSpec) -> None:
    assert spec.comment.partition(";")[0].strip()
    assert spec.range is not None or spec.name in OF_THE_MACHINE
    check_range(spec)


def test_every_line_of_config_is_a_constant() -> None:
    lines = TRAINING.cell("config").source.splitlines()
    assert len([line for line in lines if line]) == len(SPECS)


@pytest.mark.parametrize("profile", profiles.PROFILES, ids=lambda profile: profile.name)
def test_a_profile_fits_the_config_cell(profile: profiles.Profile) -> None:
    constants = TRAINING.set_constants(profile.constants).constants()
    assert {name: constants[name] for name in profile.constants} == profile.constants


@pytest.mark.parametrize("profile", profiles.PROFILES, ids=lambda profile: profile.name)
def test_a_profile_lies_in_the_ranges(profile: profiles.Profile) -> None:
    specs = TRAINING.set_constants(profile.constants).constant_specs()
    for spec in specs.values():
        check_range(spec)


def test_the_profiles_say_the_same_things() -> None:
    """Else a notebook that had another profile would keep some of its constants."""
    others = [profile for profile in profiles.PROFILES if profile is not profiles.AS_IS]
    assert len({frozenset(profile.constants) for profile in others}) == 1


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


@pytest.fixture(scope="module", params=[{}, NIGHT], ids=["cpu", "h100"])
def trained(request: pytest.FixtureRequest) -> tuple[TinyRun, torch.nn.Module]:
    """Trained a little, since layers that begin at zero hide what is behind them."""
    run, model = train(request.param, steps=30)
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


@pytest.mark.parametrize(
    ("constants", "precision", "steps"),
    [({}, torch.bfloat16, 30), (NIGHT, torch.bfloat16, 30), (NIGHT, torch.float16, 10)],
    ids=["cpu-bfloat16", "h100-bfloat16", "t4-float16"],
)
def test_the_loss_falls_in_half_precision(
    constants: dict[str, Constant], precision: torch.dtype, steps: int
) -> None:
    run, _ = train(constants, steps=steps, precision=precision)
    assert run.losses[-1] < 0.7 * run.losses[0]


@pytest.mark.parametrize("constants", [{}, NIGHT], ids=["cpu", "h100"])
def test_every_parameter_is_trained(constants: dict[str, Constant]) -> None:
    _, fresh = train(constants, steps=0)
    _, trained = train(constants, steps=3)
    old = dict(fresh.named_parameters())
    still = [name for name, new in trained.named_parameters() if torch.equal(new, old[name])]
    assert still == []


@pytest.mark.parametrize("constants", [{"CONTEXT_SHARE": 0.25}, {"GRAD_ACCUMULATION": 3}, {}])
def test_all_tokens_are_counted(constants: dict[str, Constant]) -> None:
    run, _ = train(constants, steps=2)
    accumulation = constants.get("GRAD_ACCUMULATION", 1)
    assert run.tokens == 2 * 4 * 32 * int(accumulation)


@pytest.mark.parametrize("constants", [{}, NIGHT], ids=["cpu", "h100"])
def test_the_same_seed_gives_the_same_losses(constants: dict[str, Constant]) -> None:
    assert train(constants, steps=20)[0].losses == train(constants, steps=20)[0].losses


@pytest.mark.gpu
@pytest.mark.parametrize("constants", [{}, NIGHT], ids=["cpu", "h100"])
def test_cuda_agrees_with_the_cpu(constants: dict[str, Constant]) -> None:
    """In float32. Rounding grows where the loss falls steeply: to 0.0036 at most on an H200."""
    here, there = (train(constants, 20, device=device)[0] for device in ("cpu", "cuda"))
    assert there.losses == pytest.approx(here.losses, abs=1e-2)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_where_memory_ends_a_step_is_as_large_and_learns_the_same(accumulation: int) -> None:
    constants = {"DEVICE_BATCH_SIZE": 4, "GRAD_ACCUMULATION": accumulation}
    (roomy, _), (small, _) = train(constants, 5), train(constants, 5, most_rows=1)
    assert small.losses == pytest.approx(roomy.losses, rel=1e-4)
    assert small.tokens == roomy.tokens
    assert [said.partition(":")[0] for said in small.said] == [
        "out of memory with 4 rows at once",
        "out of memory with 2 rows at once",
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own, of its own
def test_a_changing_learning_rate_does_not_recompile() -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    train({"COMPILE": True}, steps=5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
