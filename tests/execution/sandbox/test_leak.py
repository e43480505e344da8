"""Scored text in files that runs see: found wherever it was copied to, and no start with it."""

import gzip
import os
import random
import shutil
import sysconfig
import zipfile
from pathlib import Path

import pytest

from autoresearch_kit.campaign import context
from autoresearch_kit.errors import InputError, KitError
from autoresearch_kit.execution.sandbox import bubblewrap, leak
from autoresearch_kit.execution.sandbox.verbatim import Wanted
from autoresearch_kit.files.paths import data_home
from autoresearch_kit.records import Leak, Sight
from autoresearch_kit.tasks.lm.dataset import Dataset, open_dataset
from autoresearch_kit.tasks.lm.prepare import prepare

needs_bubblewrap = pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())


def words(seed: int, count: int) -> bytes:
    draw = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    made = ("".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(count))
    return " ".join(made).encode()


SCORED, OTHER = words(1, 2_000), words(2, 2_000)


def share(text: bytes, common: bytes = b"") -> float:
    wanted = Wanted(SCORED, [common] if common else [])
    copies = wanted.copied(text)
    return wanted.covered(wanted.shingles(text, copies)) if len(copies) else 0.0


def test_a_whole_copy_is_found_wherever_it_begins() -> None:
    assert all(share(OTHER[:at] + SCORED + OTHER) > 0.99 for at in range(5_000, 5_030))


def test_half_a_copy_is_half_found() -> None:
    assert share(OTHER + SCORED[: len(SCORED) // 2] + OTHER) == pytest.approx(0.5, abs=0.01)


def test_another_text_is_no_copy() -> None:
    assert share(OTHER) == 0


def test_lone_runs_are_chance() -> None:
    scattered = b"".join(SCORED[at : at + 45] + OTHER[at : at + 400] for at in range(0, 9_000, 500))
    assert share(scattered) == 0


def test_what_the_training_text_has_too_does_not_count() -> None:
    assert share(SCORED, common=SCORED) == 0


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A corpus of its own: copies of it are none of the text of other tests."""
    corpus = tmp_path_factory.mktemp("words") / "words.txt"
    corpus.write_bytes(words(3, 60_000))
    return open_dataset(data_home() / prepare(str(corpus)).name)


def measured(dataset: Dataset, folder: Path) -> Leak:
    return leak.measure(dataset, leak.files(str(folder), ()))


@pytest.mark.parametrize("kind", ["plain", "gzip", "zip"])
def test_a_copy_is_found_and_named(kind: str, dataset: Dataset, tmp_path: Path) -> None:
    text = leak.scored_text(dataset)
    path = tmp_path / "deep" / "copy"
    path.parent.mkdir()
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("lib/text.py", text)
    else:
        path.write_bytes(gzip.compress(text) if kind == "gzip" else text)
    found = measured(dataset, tmp_path)
    assert found.share > 0.95
    assert [place.folder for place in found.places] == [str(path.parent)]


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
        (folder / "text.py").write_bytes(leak.scored_text(dataset))
        with pytest.raises(KitError, match=f"largest copies are in {folder}"):
            context.check_leak(dataset.folder, Sight())
    finally:
        shutil.rmtree(folder)
    again = context.check_leak(dataset.folder, Sight())
    assert again is not None
    assert again.share < context.MOST_LEAK


@needs_bubblewrap
@pytest.mark.parametrize("linked", [False, True], ids=["inside", "by a link"])
def test_data_inside_a_shown_folder_are_refused(linked: bool, tmp_path: Path) -> None:
    site = Path(sysconfig.get_path("purelib"))
    home = site / "tqdm"
    if linked:
        (tmp_path / "data").symlink_to(home)
        home = tmp_path / "data"
    with pytest.raises(InputError, match="AUTORESEARCH_DATA"):
        context.check_places(tmp_path, home / "toy")


@needs_bubblewrap
def test_a_project_inside_a_shown_folder_is_refused(tmp_path: Path) -> None:
    root = Path(sysconfig.get_path("stdlib")) / "project"
    with pytest.raises(InputError, match=r"the project, .* lies inside .*; move it"):
        context.check_places(root, tmp_path / "toy")


@needs_bubblewrap
def test_a_project_around_its_environment_is_fine(tmp_path: Path) -> None:
    context.check_places(Path(sysconfig.get_path("data")).parent, tmp_path / "toy")
