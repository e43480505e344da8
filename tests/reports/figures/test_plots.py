from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.reports.figures import plots
from tests.reports.frames import campaign


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml")])
def test_a_figure_is_saved(tmp_path: Path, name: str, start: bytes) -> None:
    path = tmp_path / name
    plots.progress(campaign(20)).save(path)
    assert path.read_bytes().startswith(start)


def test_a_picture_has_the_size_it_was_asked_for() -> None:
    png = plots.render(plots.progress(campaign(20), size=(12, 6)))
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (1200, 600)


def test_a_file_has_the_pixels_that_print_needs(tmp_path: Path) -> None:
    png = plots.progress(campaign(20), size=(12, 6)).save(tmp_path / "a.png").read_bytes()
    assert int.from_bytes(png[16:20]) == 3600


@pytest.mark.parametrize("kind", plots.FORMATS)
def test_the_same_campaign_gives_the_same_bytes(kind: str) -> None:
    first, second = (plots.render(plots.progress(campaign(20)), kind) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.pdf", "end its name in .png or .svg"), ("missing/a.png", "can't write .*No such file")],
)
def test_a_place_that_does_not_do_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plots.progress(campaign(3)).save(tmp_path / name)
