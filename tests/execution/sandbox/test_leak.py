"""Test that scored text in files that runs see is noticed, and that no campaign starts with it."""

import gzip
import os
import random
import shutil
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest

from autoresearch_kit.campaign import context
from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution.sandbox import bubblewrap, file_contents, leak, scored
from autoresearch_kit.files.kit_copy import PACKAGE, copy_kit
from autoresearch_kit.files.paths import data_home
from autoresearch_kit.records import Leak, LeakPlace, Task, TaskInfo, VisibleFiles, codec
from autoresearch_kit.tasks.lm.dataset import Dataset, open_dataset
from autoresearch_kit.tasks.lm.prepare import prepare

needs_bubblewrap = pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())


def words(seed: int, count: int) -> bytes:
    draw = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    made = ("".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(count))
    return " ".join(made).encode()


SCORED, OTHER = words(1, 2_000), words(2, 2_000)


LONE_RUNS = b"".join(SCORED[at : at + 45] + OTHER[at : at + 400] for at in range(0, 9_000, 500))


@pytest.mark.parametrize(
    ("text", "common", "share"),
    [
        *((OTHER[:at] + SCORED + OTHER, b"", 1.0) for at in range(5_000, 5_025, 6)),
        (OTHER + SCORED[: len(SCORED) // 2] + OTHER, b"", 0.5),
        (OTHER, b"", 0.0),
        (LONE_RUNS, b"", 0.0),
        (SCORED, SCORED, 0.0),
    ],
    ids=[*(f"a whole copy at {at}" for at in range(5_000, 5_025, 6)),
         "half a copy", "another text", "lone runs", "a copy that training text is too"],
)  # fmt: skip
def test_the_share_of_a_text_that_is_copied_is_measured(
    text: bytes, common: bytes, share: float
) -> None:
    text_of = leak.ScoredText(SCORED, [common])
    assert text_of.covered(text_of.copied(text)[1]) == pytest.approx(share, abs=0.01)


def test_a_text_shorter_than_an_anchor_has_no_copies() -> None:
    short = leak.ScoredText(b"short", [OTHER])
    assert short.covered(short.copied(OTHER)[1]) == 0


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return a corpus of its own: copies of it are none of the text of other tests."""
    corpus = tmp_path_factory.mktemp("words") / "words.txt"
    corpus.write_bytes(words(3, 60_000))
    return open_dataset(data_home() / prepare(str(corpus)).name)


def measured(dataset: Dataset, folder: Path) -> Leak:
    return leak.measure(scored.of_dataset(dataset), file_contents.files(str(folder), ()))


@pytest.mark.parametrize("kind", ["plain", "gzip", "zip"])
def test_a_copy_is_found_and_named(kind: str, dataset: Dataset, tmp_path: Path) -> None:
    text = scored.scored_text(dataset)
    path = tmp_path / "deep" / "copy"
    path.parent.mkdir()
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("lib/text.py", text)
    else:
        path.write_bytes(gzip.compress(text) if kind == "gzip" else text)
    copied = measured(dataset, tmp_path)
    assert copied.share > 0.95
    assert [each.folder for each in copied.places] == [str(path.parent)]


def test_pipes_and_links_are_not_read(dataset: Dataset, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert measured(dataset, tmp_path).share == 0


@needs_bubblewrap
@pytest.mark.slow
def test_no_campaign_starts_where_runs_can_read_scored_text(dataset: Dataset) -> None:
    import tqdm

    folder = Path(tqdm.__file__).parent / f"copy-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "text.py").write_bytes(scored.scored_text(dataset))
        with pytest.raises(KitError, match=f"largest copies are in {folder}"):
            context.check_leak(dataset.folder, dataset.info, VisibleFiles())
    finally:
        shutil.rmtree(folder)
    again = context.check_leak(dataset.folder, dataset.info, VisibleFiles())
    assert again is not None
    assert again.share < leak.MOST_LEAK


def key_of(dataset: Dataset, kit: Path, root: Path) -> str:
    return leak.key(scored.open_scored(dataset.folder), file_contents.files(str(root), ()), kit)


def test_each_campaigns_copy_of_the_package_counts_the_same(
    dataset: Dataset, tmp_path: Path
) -> None:
    """The search takes seconds: another campaign on the same data does without."""
    keys = []
    for name in ("one", "another"):
        copy_kit(PACKAGE / "records", tmp_path / name / "kit")
        keys.append(key_of(dataset, tmp_path / name / "kit", tmp_path / name))
    assert keys[0] == keys[1]
    (tmp_path / "another" / "kit" / "records" / "text.py").write_bytes(SCORED)
    assert key_of(dataset, tmp_path / "another" / "kit", tmp_path / "another") != keys[0]


HIDDEN, IN_BOTH = words(5, 3_000), words(6, 3_000)


def a_task(folder: Path, hidden: bytes) -> Path:
    """Write a prepared task with these hidden bytes."""
    for name, content in (("data", IN_BOTH), ("hidden", hidden)):
        (folder / name).mkdir(parents=True)
        (folder / name / "rows").write_bytes(content)
    info = TaskInfo(Task("toy", (), (), folder="toy"), "1", "2")
    (folder / "task.json").write_bytes(codec.encode(info))
    return folder


NUMBERS = np.random.default_rng(0).integers(0, 10, 5_000).astype("<i8").tobytes()
OTHER_NUMBERS = np.random.default_rng(1).integers(0, 10, 50_000).astype("<i8").tobytes()


@pytest.mark.parametrize(
    ("hidden", "copied", "share"),
    [
        (HIDDEN + IN_BOTH, HIDDEN, 0.5),
        (gzip.compress(HIDDEN), HIDDEN, 0.65),
        (HIDDEN, gzip.compress(HIDDEN), 1.0),
        (HIDDEN + IN_BOTH, IN_BOTH, 0.0),
        (NUMBERS, OTHER_NUMBERS, 0.0),
        (bytes(20_000), bytes(20_000), 0.0),
        (b"", HIDDEN, 0.0),
    ],
    ids=["as it is", "unpacked", "packed", "runs see it anyway", "small numbers", "zeros", "none"],
)
def test_hidden_bytes_of_a_task_are_looked_for(
    hidden: bytes, copied: bytes, share: float, tmp_path: Path
) -> None:
    task = a_task(tmp_path / "task", hidden)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "copy").write_bytes(copied)
    shown = file_contents.files(str(elsewhere), ())
    assert leak.measure(scored.open_scored(task), shown).share == pytest.approx(share, abs=0.05)


def test_copies_of_hidden_data_in_packages_are_to_be_hidden() -> None:
    folder = Path(sysconfig.get_path("purelib"), "a_package", "data")
    found = Leak(0.5, (LeakPlace(str(folder), 0.5),))
    info = TaskInfo(Task("toy", (), (), folder="tasks/toy"), "1", "2")
    assert leak.too_much(found, info) == (
        f"runs could read 50.0% of what is hidden: copies are in {folder} (50.000%); hide them "
        'in tasks/toy/task.toml, below [sandbox]: hides = ["a_package/data"]'
    )


@needs_bubblewrap
def test_a_task_may_not_see_the_project(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "project" / "tasks"):
        with pytest.raises(InputError, match=r"the task sees .*, and the project is"):
            context.check_places(
                tmp_path / "project", tmp_path / "data" / "toy", VisibleFiles(shown=(folder,))
            )


@needs_bubblewrap
@pytest.mark.parametrize("linked", [False, True], ids=["inside", "by a link"])
def test_data_inside_a_shown_folder_are_refused(linked: bool, tmp_path: Path) -> None:
    site = Path(sysconfig.get_path("purelib"))
    home = site / "tqdm"
    if linked:
        (tmp_path / "data").symlink_to(home)
        home = tmp_path / "data"
    with pytest.raises(InputError, match="AUTORESEARCH_DATA"):
        context.check_places(tmp_path, home / "toy", VisibleFiles())


@needs_bubblewrap
def test_a_project_may_not_lie_inside_what_runs_see(tmp_path: Path) -> None:
    context.check_places(Path(sysconfig.get_path("data")).parent, tmp_path / "toy", VisibleFiles())
    project = Path(sysconfig.get_path("stdlib")) / "project"
    with pytest.raises(InputError, match=r"the project, .* lies inside .*; move it"):
        context.check_places(project, tmp_path / "toy", VisibleFiles())
