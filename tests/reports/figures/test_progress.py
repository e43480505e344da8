from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Noise
from autoresearch_kit.reports.figures.drawing import SMALL, render, shorten
from autoresearch_kit.reports.figures.progress import LABELS, find_scale, progress
from autoresearch_kit.verdicts.noise import reach
from tests.reports.frames import BASELINE, CASES, NAN, campaign, frame, upstream

NOISE = Noise(0.01, 6.0)


def labels(figure: Figure) -> list[Text]:
    return list(figure.axes[0].texts)


def said(figure: Figure) -> str:
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return " | ".join([text.get_text() for text in figure.texts] + legends)


@pytest.fixture(params=CASES, name="figure", scope="module")
def every_figure(request: pytest.FixtureRequest) -> Figure:
    figure = progress(CASES[request.param], title="autoresearch/night")
    figure.canvas.draw()
    return figure


def test_labels_and_words_can_be_read(figure: Figure) -> None:
    boxes = [label.get_window_extent() for label in labels(figure)]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    inside = figure.axes[0].bbox
    assert all(box.y0 >= inside.y0 and box.y1 <= inside.y1 for box in boxes)
    assert all(box.x0 >= inside.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    assert min(float(text.get_fontsize()) for text in texts) >= SMALL


def test_a_small_picture_leaves_out_what_does_not_fit() -> None:
    figure = progress(upstream(), size=(7, 4))
    assert all(text.get_window_extent().x1 <= figure.bbox.x1 for text in figure.texts)
    texts = [label.get_text() for label in labels(figure)]
    assert 2 < len(texts) < 23
    assert texts[0] == "baseline"


def test_each_keep_is_labelled_with_its_idea() -> None:
    texts = [label.get_text() for label in labels(progress(upstream()))]
    assert 15 < len(texts) <= 23
    assert texts[0] == "baseline"
    assert "warmdown 0.7 to 0.75" in texts
    assert "halve batch 524K to 262K (more…" in texts


def test_of_many_keeps_the_largest_gains_are_labelled() -> None:
    many = campaign(1000)
    keeps = many[many["status"] == "keep"]
    assert len(keeps) > LABELS
    assert len(labels(progress(many))) <= LABELS


def test_the_caption_says_what_was_gained() -> None:
    text = said(progress(upstream(), title="mar8"))
    assert "mar8" in text
    assert "baseline 0.997900 → best 0.969686 (2.83% lower, experiment 118)" in text
    assert "125 experiments after the baseline: 22 kept, 102 discarded, 1 crashed" in text
    assert "1 tried, none kept" in said(progress(frame([("discard", 1.3, "x")])))
    rows = frame([BASELINE, ("keep", 1.2, "halve the batch")]).assign(error=[0.005, 0.01])
    assert "baseline 1.3000 ± 0.0050 → best 1.200 ± 0.010" in said(progress(rows, NOISE))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("baseline only", "baseline 1.300000   ·   0 experiments after"),
        ("two", "1 experiment after the baseline: 1 kept"),
        ("a tie", "(the same, with less code, experiment 1)"),
        ("only crashes", "2 tried, none kept"),
        ("one far off", "1 off the scale, up to 9"),
    ],
)
def test_the_caption_fits_the_case(case: str, words: str) -> None:
    assert words in said(progress(CASES[case]))


def test_scores_far_off_do_not_flatten_the_rest() -> None:
    assert find_scale(upstream().dropna(subset="val_bpb"))[1] == 0.9979
    assert find_scale(CASES["bad baseline"].dropna(subset="val_bpb"))[1] < 1.5
    assert find_scale(CASES["one far off"])[1] == 1.3


def test_the_axes_fit_few_experiments() -> None:
    low, high = progress(frame([BASELINE])).axes[0].get_ylim()
    assert low < 1.3 < high
    _, right = progress(CASES["a tie"]).axes[0].get_xlim()
    assert 2 < right < 2.1


def test_crashes_have_a_strip_of_their_own() -> None:
    crashed = progress(frame([BASELINE, ("crash", NAN, "a")]))
    assert [tick.get_text() for tick in crashed.axes[1].get_yticklabels()] == ["crash"]
    calm = progress(frame([BASELINE]))
    assert len(calm.axes) == 1
    assert crashed.axes[0].get_ylim() == pytest.approx(calm.axes[0].get_ylim(), abs=1e-3)


def test_what_was_disturbed_has_no_score_and_a_mark_of_its_own() -> None:
    figure = progress(frame([BASELINE, ("disturbed", NAN, "a"), ("crash", NAN, "b")]))
    assert [tick.get_text() for tick in figure.axes[1].get_yticklabels()] == ["no score"]
    marks = {line.get_marker(): np.size(line.get_xdata()) for line in figure.axes[1].get_lines()}
    assert marks["D"] == marks["x"] == 1
    assert "disturbed: the machine was busy, not judged" in said(figure)
    assert "0 kept, 0 discarded, 1 crashed, 1 disturbed" in said(figure)


def test_an_idea_is_cut_between_words() -> None:
    assert shorten("depth 9 aspect_ratio 57 (extra layer)", 34) == "depth 9 aspect_ratio 57 (extra…"
    assert shorten("A 1 -> 2", 34) == "A 1 → 2"
    assert shorten("x" * 50, 10) == "x" * 9 + "…"


def test_drawing_changes_no_global_setting() -> None:
    before = dict(matplotlib.rcParams)
    progress(campaign(50))
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml")])
def test_the_same_campaign_gives_the_same_file(tmp_path: Path, name: str, start: bytes) -> None:
    first, second = (progress(campaign(20)).save(tmp_path / name).read_bytes() for _ in range(2))
    assert first == second
    assert first.startswith(start)


def test_pictures_have_the_pixels_that_were_asked_for(tmp_path: Path) -> None:
    figure = progress(campaign(20), size=(12, 6))
    shown, printed = render(figure), figure.save(tmp_path / "a.png").read_bytes()
    assert [int.from_bytes(png[16:20]) for png in (shown, printed)] == [1200, 3600]


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.pdf", "end its name in .png or .svg"), ("missing/a.png", "can't write .*No such file")],
)
def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        progress(campaign(3)).save(tmp_path / name)


def unsure() -> tuple[pd.DataFrame, Noise]:
    """Some experiments with repeats, and some without a sandbox where the others had one."""
    rows = campaign(60)
    scores = rows["scores"] + 2 * (rows["number"] % 7 == 0)
    boxes = np.where(rows["number"] % 9 == 4, "none", "bubblewrap")
    return rows.assign(
        scores=scores, error=0.01 / scores**0.5, sandbox=boxes, weaker=boxes == "none"
    ), Noise(0.01, 9.0)


@pytest.mark.parametrize("size", [(12, 6), (10, 4.2), (7, 4)])
def test_what_band_bars_and_rings_mean_is_said_where_it_can_be_read(
    size: tuple[float, float],
) -> None:
    rows, noise = unsure()
    figure = progress(rows, noise, size=size)
    figure.canvas.draw()
    assert "19 of 20 runs of the best fall here" in said(figure)
    assert "mean ± standard error" in said(figure)
    assert "sandbox: none" in said(figure)
    boxes = [legend.get_window_extent() for legend in figure.legends]
    boxes += [text.get_window_extent() for text in figure.texts]
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert all(box.y0 >= figure.axes[0].bbox.y1 for box in boxes)


def test_the_band_is_as_high_as_luck_reaches() -> None:
    rows = frame([BASELINE, ("discard", 1.3001, "x")]).assign(error=0.01, scores=4)
    axes = progress(rows, NOISE).axes[0]
    [band] = [one for one in axes.collections if one.get_zorder() < 1]
    heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert heights.max() - 1.3 == pytest.approx(reach(NOISE, 4))
    assert 1.3 - heights.min() == pytest.approx(reach(NOISE, 4))
    low, high = axes.get_ylim()
    assert low < heights.min() < heights.max() < high
    assert not progress(upstream()).axes[0].collections
