from pathlib import Path

import pytest

from autoresearch_kit.campaign.options import Wishes, settle
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.runner.deadline import allowed_seconds
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import NOTEBOOK
from autoresearch_kit.machine import gpu, gpu_nodes
from autoresearch_kit.machine.profiles import PROFILES
from autoresearch_kit.records import Accelerator, Clock, Settings
from autoresearch_kit.tasks.lm.prepare import prepare
from autoresearch_kit.tasks.lm.splits import Sizes


def test_a_budget_of_five_minutes_is_the_default(project: Path) -> None:
    assert settle(project, "night", Wishes()).train_seconds == 300


def test_a_budget_counts_cpu_time_on_a_cpu(project: Path) -> None:
    assert settle(project, "night", Wishes()).clock is Clock.CPU
    assert settle(project, "night", Wishes(clock=Clock.WALL)).clock is Clock.WALL


def test_a_budget_counts_the_wall_clock_on_a_gpu(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Accelerator("cuda", (9, 0), 85_000)
    monkeypatch.setattr(machine_probe, "accelerator", lambda: found)
    assert settle(project, "night", Wishes(profile="h100")).clock is Clock.WALL
    with pytest.raises(InputError, match=r"--clock cpu .* choose --clock wall"):
        settle(project, "night", Wishes(profile="h100", clock=Clock.CPU))


@pytest.mark.parametrize(
    ("clock", "seconds"), [(Clock.WALL, 2 * 60 + 120 + 90), (Clock.CPU, 6 * (60 + 90) + 120)]
)
def test_the_wall_has_room_for_the_budget_a_start_and_compilation(
    project: Path, clock: Clock, seconds: float
) -> None:
    settled = settle(project, "night", Wishes(train_seconds=60, profile="cpu", clock=clock))
    assert settled.wall_seconds == seconds


def test_the_wall_never_ends_a_run_that_uses_all_it_is_allowed(project: Path) -> None:
    for profile in PROFILES:
        settled = settle(project, "night", Wishes(train_seconds=1, profile=profile.name))
        training = allowed_seconds(settled.train_seconds) + settled.compile_seconds
        assert settled.wall_seconds > training + 60  # for the kernel to start and import torch


@pytest.mark.parametrize(("profile", "seconds"), [("h100", 180), ("t4", 180), ("cpu", 90)])
def test_a_gpus_compilation_is_allowed_longer(project: Path, profile: str, seconds: float) -> None:
    assert settle(project, "night", Wishes(profile=profile)).compile_seconds == seconds


@pytest.mark.parametrize("seconds", [0.0, 400.0])
def test_the_compile_allowance_is_a_setting(project: Path, seconds: float) -> None:
    wishes = Wishes(train_seconds=60, compile_seconds=seconds, clock=Clock.WALL)
    settled = settle(project, "night", wishes)
    assert (settled.compile_seconds, settled.wall_seconds) == (seconds, 240 + seconds)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_compile_allowance_must_be_a_number(project: Path, seconds: float) -> None:
    with pytest.raises(InputError, match=r"--compile-seconds is .*; it must be 0 or more"):
        settle(project, "night", Wishes(compile_seconds=seconds))


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_must_be_more_than_nothing(project: Path, seconds: float) -> None:
    with pytest.raises(InputError, match="--train-seconds"):
        settle(project, "night", Wishes(train_seconds=seconds))


def test_a_wall_below_the_budget_is_refused(project: Path) -> None:
    with pytest.raises(InputError, match="less than the training budget"):
        settle(project, "night", Wishes(train_seconds=60, wall_seconds=50))


def test_a_gpu_that_torch_does_not_use_is_no_cpu_run(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a torch for CPUs beside an NVIDIA driver: the night would go by on the CPU."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(gpu_nodes, "DEV", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(InputError, match=r"but torch uses none.*--profile cpu"):
        settle(project, "night", Wishes())
    assert settle(project, "night", Wishes(profile="cpu")).profile == "cpu"


def begun(project: Path) -> None:
    workspace = Workspace(project, "night")
    workspace.create()
    workspace.write_settings(settle(project, "night", Wishes(train_seconds=60)))


def test_a_campaign_goes_on_with_what_it_was_started_with(project: Path) -> None:
    begun(project)
    assert settle(project, "night", Wishes()).train_seconds == 60


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(train_seconds=30),
        Wishes(dataset="other"),
        Wishes(compile_seconds=400),
        Wishes(clock=Clock.WALL),
    ],
)
def test_another_budget_or_corpus_is_refused(project: Path, wishes: Wishes) -> None:
    begun(project)
    with pytest.raises(InputError, match=r"was started with .* another tag"):
        settle(project, "night", wishes)


def test_a_limit_that_the_campaign_never_had_is_refused_in_words(project: Path) -> None:
    begun(project)
    with pytest.raises(InputError, match=r"was started without --gpu-memory-mb, and 9000"):
        settle(project, "night", Wishes(gpu_memory_mb=9000.0))


def test_a_path_is_the_same_from_every_folder(
    project: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus.parent)
    assert settle(project, "night", Wishes(dataset=f"./{corpus.name}")).dataset == str(corpus)


def text_of(settings: Settings) -> tuple[int | None, int | None]:
    return settings.vocab_size, settings.context


@pytest.mark.parametrize(
    ("profile", "sizes"),
    [("h100", (8192, 2048)), ("t4", (8192, 2048)), ("mps", (2048, 1024)), ("cpu", (1024, 512))],
)
def test_own_text_is_prepared_as_suits_the_profile(
    project: Path, corpus: Path, profile: str, sizes: tuple[int, int]
) -> None:
    wishes = Wishes(dataset=str(corpus), profile=profile)
    assert text_of(settle(project, "night", wishes)) == sizes


def test_own_text_for_ones_own_constants_suits_the_machine(
    project: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_probe, "accelerator", lambda: Accelerator("cuda", (9, 0), 85_000))
    wishes = Wishes(dataset=str(corpus), profile="as-is")
    assert text_of(settle(project, "night", wishes)) == (8192, 2048)


def test_a_corpus_by_name_keeps_its_own_sizes(project: Path) -> None:
    assert text_of(settle(project, "night", Wishes(profile="h100"))) == (None, None)


def test_the_folder_that_prepare_prints_is_a_data_set(
    project: Path, corpus: Path, data_home: Path
) -> None:
    name = prepare(str(corpus), Sizes(vocab_size=300, context=32)).name
    assert settle(project, "night", Wishes(dataset=str(data_home / name))).dataset == name


def test_a_limit_of_gpu_memory_is_a_setting(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "reachable", lambda: True)
    assert settle(project, "night", Wishes(gpu_memory_mb=20_000.0)).gpu_memory_mb == 20_000.0
    assert settle(project, "night", Wishes()).gpu_memory_mb is None


def test_a_limit_of_gpu_memory_that_nobody_can_measure_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "reachable", lambda: False)
    with pytest.raises(InputError, match=r"--gpu-memory-mb is 20000, but no NVIDIA driver"):
        settle(project, "night", Wishes(gpu_memory_mb=20_000.0))


def test_the_profile_picks_the_notebook_unless_another_is_named(project: Path) -> None:
    (project / "mine.ipynb").write_text((project / NOTEBOOK).read_text())
    assert settle(project, "night", Wishes()).notebook == NOTEBOOK
    large = settle(project, "night", Wishes(profile="h100"))
    assert large.notebook == "notebooks/train_gpu.ipynb"
    own = settle(project, "night", Wishes(notebook="mine.ipynb"))
    assert (own.notebook, own.profile) == ("mine.ipynb", "as-is")


def test_a_notebook_outside_the_project_is_refused(project: Path) -> None:
    with pytest.raises(InputError, match=r"outside the project .* adopt --from /.*mine\.ipynb"):
        settle(project, "night", Wishes(notebook="../mine.ipynb"))


def test_a_notebook_with_a_constant_seed_is_refused_at_the_start(project: Path) -> None:
    path = project / NOTEBOOK
    path.write_text(path.read_text().replace("loss.backward()", "torch.manual_seed(1)"))
    with pytest.raises(InputError, match=r"train\.ipynb: cell .*manual_seed\(1\) fixes the luck"):
        settle(project, "night", Wishes())
