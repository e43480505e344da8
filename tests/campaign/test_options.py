from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.campaign.context import check_profile
from autoresearch_kit.campaign.options import Options, settle_limits
from autoresearch_kit.campaign.settings import settle
from autoresearch_kit.errors import InputError
from autoresearch_kit.execution import machine_probe
from autoresearch_kit.execution.runner.deadline import allowed_seconds
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.machine import cgroups, cores, gpu, gpu_nodes
from autoresearch_kit.machine.profiles import PROFILES, SMALL_NOTEBOOK
from autoresearch_kit.records import Accelerator, Clock, Settings
from autoresearch_kit.tasks.lm.prepare import prepare
from autoresearch_kit.tasks.lm.splits import Sizes
from tests.campaign import made_up_runs

NAN, INF = float("nan"), float("inf")


def settled(project: Path, options: Options) -> Settings:
    return settle(project, "night", options)


@pytest.fixture
def on_an_h100(monkeypatch: pytest.MonkeyPatch) -> None:
    h100 = Accelerator("cuda", (9, 0), 85_000)
    monkeypatch.setattr(machine_probe, "accelerator", lambda: h100)


def test_the_defaults_are_five_minutes_of_cpu_time(project: Path) -> None:
    settings = settled(project, Options())
    assert (settings.train_seconds, settings.clock) == (300, Clock.CPU)
    assert settings.gpu_memory_mb is None
    assert settled(project, Options(clock=Clock.WALL)).clock is Clock.WALL


@pytest.mark.usefixtures("on_an_h100")
def test_a_budget_counts_the_wall_clock_on_a_gpu(project: Path) -> None:
    assert settled(project, Options(profile="h100")).clock is Clock.WALL
    with pytest.raises(InputError, match=r"--clock cpu .* choose --clock wall"):
        settled(project, Options(profile="h100", clock=Clock.CPU))


@pytest.mark.parametrize(
    ("clock", "seconds"), [(Clock.WALL, 2 * 60 + 120 + 90), (Clock.CPU, 6 * (60 + 90) + 120)]
)
def test_the_wall_has_room_for_budget_start_and_compilation(
    project: Path, clock: Clock, seconds: float
) -> None:
    settings = settled(project, Options(train_seconds=60, profile="cpu", clock=clock))
    assert settings.wall_seconds == seconds


def test_the_wall_never_ends_a_run_within_its_allowance(project: Path) -> None:
    for profile in PROFILES:
        settings = settled(project, Options(train_seconds=1, profile=profile.name))
        training = allowed_seconds(settings.train_seconds) + settings.compile_seconds
        assert settings.wall_seconds > training + 60  # for the kernel to start and import torch


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        (Options(profile="h100"), 180),
        (Options(profile="cpu"), 90),
        (Options(compile_seconds=0.0), 0),
        (Options(compile_seconds=400.0), 400),
    ],
)
def test_the_compile_allowance_suits_the_profile_or_is_given(
    project: Path, options: Options, seconds: float
) -> None:
    assert settled(project, options).compile_seconds == seconds


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(compile_seconds=-1.0), "--compile-seconds is -1; it must be 0 or more"),
        (Options(compile_seconds=NAN), "--compile-seconds is nan"),
        (Options(train_seconds=0.0), "--train-seconds is 0; it must be more than 0"),
        (Options(train_seconds=INF), "--train-seconds is inf"),
        (Options(train_seconds=1e308), r"--train-seconds is 1e\+308; it must be more than 0"),
        (Options(memory_mb=-1.0), "--memory-mb is -1"),
        (Options(seeds=0), "--seeds is 0; it must be at least 1"),
        (Options(max_elsewhere=2.0), "--max-elsewhere is 2; it must be a share"),
        (Options(train_seconds=60, wall_seconds=50), "less than the training budget"),
        (Options(notebook="../mine.ipynb"), r"outside the project .* adopt --from /.*mine\.ipynb"),
    ],
)
def test_an_option_out_of_bounds_is_named(project: Path, options: Options, words: str) -> None:
    with pytest.raises(InputError, match=words):
        settled(project, options)


def test_a_limit_out_of_bounds_is_named() -> None:
    with pytest.raises(InputError, match="--max-experiments is 0; it must be at least 1"):
        settle_limits(0, None, None, None)
    with pytest.raises(InputError, match="--max-usd is nan; it must be more than 0"):
        settle_limits(None, None, None, NAN)


def test_an_unused_gpu_is_refused_unless_asked_for(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidiactl").touch()  # as a torch for CPUs beside an NVIDIA driver
    monkeypatch.setattr(gpu_nodes, "DEV", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(InputError, match=r"but torch uses none.*--profile cpu"):
        settled(project, Options())
    assert settled(project, Options(profile="cpu")).profile == "cpu"


@pytest.fixture
def begun(project: Path) -> Path:
    """Make a project whose campaign was started with a budget of a minute."""
    workspace = Workspace(project, "night")
    workspace.create()
    workspace.write_settings(settled(project, Options(train_seconds=60)))
    return project


def test_a_campaign_resumes_with_what_it_was_started_with(begun: Path) -> None:
    assert settled(begun, Options()).train_seconds == 60


def test_a_campaign_may_go_on_with_other_devices(begun: Path) -> None:
    first = settled(begun, Options())
    assert (first.devices, first.pool) == ("all", "local")
    other = settled(begun, Options(devices="cpu:1x1", pool="auto"))
    assert other == replace(first, devices="cpu:1x1", pool="auto")
    Workspace(begun, "night").write_settings(other)
    assert settled(begun, Options()) == other


@pytest.mark.usefixtures("on_an_h100")
def test_slots_of_cores_are_a_cpus_beside_a_gpu(project: Path) -> None:
    settings = settled(project, Options(devices="cpu:1x1", profile="cpu"))
    assert settings.clock is Clock.CPU


@pytest.mark.parametrize(
    ("asked", "words"), [("gpu", "is 'gpu'; it must be"), ("cpu:9x999", "need 8991 cores")]
)
def test_devices_that_are_not_there_are_refused(project: Path, asked: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        settled(project, Options(devices=asked))


def test_slots_share_the_memory(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable", lambda: ((0,), (1,)))
    monkeypatch.setattr(cgroups, "cpus", lambda: 2)
    one, two = (settled(project, Options(devices=asked)) for asked in ("cpu:1x2", "cpu:2x1"))
    assert two.memory_mb == pytest.approx(one.memory_mb / 2, abs=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(train_seconds=30), "with --train-seconds 60.0, and 30 would make"),
        (Options(dataset="other"), "with --dataset stdlib, and other would make"),
        (Options(compile_seconds=400), "with --compile-seconds 90"),
        (Options(clock=Clock.WALL), "with --clock cpu"),
        (Options(gpu_memory_mb=9000.0), "without --gpu-memory-mb, and 9000"),
    ],
)
def test_what_would_make_scores_incomparable_is_refused(
    begun: Path, options: Options, words: str
) -> None:
    with pytest.raises(InputError, match=f"was started {words}.*choose another tag"):
        settled(begun, options)


def test_a_path_is_the_same_from_every_folder(
    project: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus.parent)
    assert settled(project, Options(dataset=f"./{corpus.name}")).dataset == str(corpus)


def text_sizes(settings: Settings) -> tuple[int | None, int | None]:
    return settings.vocab_size, settings.context


@pytest.mark.parametrize(
    ("profile", "sizes"),
    [("h100", (8192, 2048)), ("t4", (8192, 2048)), ("mps", (2048, 1024)), ("cpu", (1024, 512))],
)
def test_own_text_is_prepared_as_suits_the_profile(
    project: Path, corpus: Path, profile: str, sizes: tuple[int, int]
) -> None:
    options = Options(dataset=str(corpus), profile=profile)
    assert text_sizes(settled(project, options)) == sizes


@pytest.mark.usefixtures("on_an_h100")
def test_own_text_for_ones_own_constants_suits_the_machine(project: Path, corpus: Path) -> None:
    options = Options(dataset=str(corpus), profile="as-is")
    assert text_sizes(settled(project, options)) == (8192, 2048)


def test_a_corpus_by_name_keeps_its_own_sizes(project: Path) -> None:
    assert text_sizes(settled(project, Options(profile="h100"))) == (None, None)


def test_the_folder_that_prepare_prints_is_a_data_set(
    project: Path, corpus: Path, data_home: Path
) -> None:
    name = prepare(str(corpus), Sizes(vocab_size=300, context=32)).name
    assert settled(project, Options(dataset=str(data_home / name))).dataset == name


def test_gpu_memory_is_limited_only_where_it_can_be_measured(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(gpu_memory_mb=20_000.0)
    monkeypatch.setattr(gpu, "reachable", lambda: True)
    assert settled(project, options).gpu_memory_mb == 20_000.0
    monkeypatch.setattr(gpu, "reachable", lambda: False)
    with pytest.raises(InputError, match=r"--gpu-memory-mb is 20000, but no NVIDIA driver"):
        settled(project, options)


def test_the_profile_picks_the_notebook_unless_another_is_named(project: Path) -> None:
    (project / "mine.ipynb").write_text((project / SMALL_NOTEBOOK).read_text())
    assert settled(project, Options()).notebook == SMALL_NOTEBOOK
    assert settled(project, Options(profile="h100")).notebook == "notebooks/train_gpu.ipynb"
    own = settled(project, Options(notebook="mine.ipynb"))
    assert (own.notebook, own.profile) == ("mine.ipynb", "as-is")


def test_a_notebook_with_a_constant_seed_is_refused(project: Path) -> None:
    path = project / SMALL_NOTEBOOK
    path.write_text(path.read_text().replace("loss.backward()", "torch.manual_seed(1)"))
    with pytest.raises(InputError, match=r"train\.ipynb: cell .*manual_seed\(1\) fixes the luck"):
        settled(project, Options())


@pytest.mark.parametrize(
    ("options", "asks"),
    [
        (Options(pool="ray"), r"--pool ray: .* with --profile and one of: h100, a100, "),
        (Options(pool="ray", profile="as-is"), "give --clock wall for GPUs, cpu for CPUs"),
    ],
)
def test_a_cluster_needs_what_its_devices_would_decide(
    project: Path, options: Options, asks: str
) -> None:
    with pytest.raises(InputError, match=asks):
        settled(project, options)


@pytest.mark.parametrize(
    ("profile", "clock", "notebook", "compile_seconds"),
    [
        ("h100", Clock.WALL, "notebooks/train_gpu.ipynb", 180),
        ("cpu", Clock.CPU, "notebooks/train.ipynb", 90),
    ],
)
def test_a_clusters_settings_follow_from_the_profile(
    project: Path, profile: str, clock: Clock, notebook: str, compile_seconds: float
) -> None:
    settings = settled(project, Options(pool="10.0.0.1:6379", profile=profile))
    found = (settings.clock, settings.notebook, settings.compile_seconds)
    assert found == (clock, notebook, compile_seconds)
    assert settings.memory_mb == 0  # until the slots tell theirs


@pytest.mark.parametrize(
    ("profile", "clock", "accelerator"),
    [("h100", Clock.WALL, False), ("cpu", Clock.CPU, True), ("as-is", Clock.CPU, True)],
)
def test_a_profile_for_other_devices_than_the_clusters_is_refused(
    project: Path, profile: str, clock: Clock, accelerator: bool
) -> None:
    settings = settled(project, Options(pool="ray", profile=profile, clock=clock))
    machine = replace(made_up_runs.MACHINE, accelerator=accelerator)
    with pytest.raises(InputError, match=r"slots are .*; start another tag with"):
        check_profile(settings, machine)
