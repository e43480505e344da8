from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from autoresearch_kit.errors import InputError
from autoresearch_kit.records import VAL_BPB, Noise
from autoresearch_kit.reports.figures.drawing import SMALL, render, shorten
from autoresearch_kit.reports.figures.progress import MOST_LABELS, describe_gain, progress
from autoresearch_kit.reports.figures.score_scale import find_scale
from autoresearch_kit.reports.figures.x_axis import Against
from autoresearch_kit.reports.tables import frame_of
from autoresearch_kit.verdicts.noise import reach
from tests.reports.figures.reading import line_of_steps, said
from tests.reports.frames import BASELINE, CASES, NAN, campaign, frame, upstream
from tests.reports.nights import rows

NOISE = Noise(0.01, 6.0)


def labels(figure: Figure) -> list[Text]:
    return list(figure.axes[0].texts)


@pytest.fixture(params=CASES, name="figure", scope="module")
def every_figure(request: pytest.FixtureRequest) -> Figure:
    figure = progress(CASES[request.param], title="autoresearch/night")
    figure.canvas.draw()
    return figure


def test_labels_and_words_can_be_read(figure: Figure) -> None:
    boxes = [label.get_window_extent() for label in labels(figure)]
    assert len(boxes) <= MOST_LABELS
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    inside = figure.axes[0].bbox
    assert all(box.y0 >= inside.y0 and box.y1 <= inside.y1 for box in boxes)
    assert all(box.x0 >= inside.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    assert min(float(text.get_fontsize()) for text in texts) >= SMALL


def test_upstreams_keeps_are_labelled_and_its_gain_is_told() -> None:
    figure = progress(upstream(), title="mar8")
    texts = [label.get_text() for label in labels(figure)]
    assert 15 < len(texts) <= 23
    assert {"baseline", "warmdown 0.7 to 0.75", "halve batch 524K to 262K (more…"} <= set(texts)
    assert "mar8 baseline 0.997900 → best 0.969686 (2.83% lower, experiment 118)" in said(figure)
    assert "125 tried: 22 kept, 102 discarded, 1 crashed" in said(figure)
    assert "off the scale, up to 3.216" in said(figure)
    assert not figure.axes[0].collections
    texts = [label.get_text() for label in labels(progress(upstream(), size=(7, 4)))]
    assert 2 < len(texts) < 23
    assert texts[0] == "baseline"


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("baseline only", "baseline 1.300000   ·   0 tried"),
        ("a tie", "(the same, with less code, experiment 1)"),
        ("only crashes", "2 tried, none kept"),
    ],
)
def test_the_caption_fits_the_case(case: str, words: str) -> None:
    assert words in describe_gain(CASES[case])


def test_scores_far_off_do_not_flatten_the_rest() -> None:
    assert find_scale(upstream().dropna(subset="score"))[1] == 0.9979
    assert find_scale(CASES["bad baseline"].dropna(subset="score"))[1] < 1.5
    assert find_scale(CASES["one far off"])[1] == 1.3


def test_the_legend_names_only_what_is_drawn() -> None:
    [legend] = progress(frame([BASELINE])).legends
    assert [text.get_text() for text in legend.get_texts()] == ["kept"]


def test_experiments_without_a_score_have_a_strip_of_their_own() -> None:
    rows = [BASELINE, ("crash", NAN, "a"), ("disturbed", NAN, "b")]
    calm, crashed, disturbed = (progress(frame(rows[:count])) for count in (1, 2, 3))
    assert len(calm.axes) == 1
    low, high = calm.axes[0].get_ylim()
    assert low < 1.3 < high
    assert crashed.axes[0].get_ylim() == pytest.approx((low, high))
    strips = [figure.axes[1] for figure in (crashed, disturbed)]
    assert [axes.get_yticklabels()[0].get_text() for axes in strips] == ["crash", "no score"]
    marks = {line.get_marker(): np.size(line.get_xdata()) for line in strips[1].get_lines()}
    assert marks["D"] == marks["x"] == 1
    assert "disturbed: the machine was busy, not judged" in said(disturbed)
    assert "0 kept, 0 discarded, 1 crashed, 1 disturbed" in said(disturbed)


def test_an_idea_is_cut_between_words() -> None:
    assert shorten("depth 9 aspect_ratio 57 (extra layer)", 34) == "depth 9 aspect_ratio 57 (extra…"
    assert shorten("A 1 -> 2", 34) == "A 1 → 2"
    assert shorten("x" * 50, 10) == "x" * 9 + "…"


def test_files_are_the_same_each_time_and_leave_no_setting(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    figures = [progress(CASES["a tie"], size=(12, 6)) for _ in range(2)]
    for name, start in (("a.png", b"\x89PNG"), ("a.SVG", b"<?xml")):
        first, second = (figure.save(tmp_path / name).read_bytes() for figure in figures)
        assert first == second
        assert first.startswith(start)
    shown, printed = render(figures[0]), figures[0].save(tmp_path / "a.png").read_bytes()
    assert [int.from_bytes(png[16:20]) for png in (shown, printed)] == [1200, 3600]
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.pdf", "end its name in .png or .svg"), ("missing/a.png", "can't write .*No such file")],
)
def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        progress(CASES["a tie"]).save(tmp_path / name)


@pytest.mark.parametrize("size", [(12, 6), (10, 4.2), (7, 4)])
def test_band_bars_and_rings_are_explained_outside_the_plot(size: tuple[float, float]) -> None:
    rows = campaign(60)
    scores = rows["scores"] + 2 * (rows["number"] % 7 == 0)
    boxes = np.where(rows["number"] % 9 == 4, "none", "bubblewrap")
    rows = rows.assign(scores=scores, score_se=0.01 / scores**0.5, sandbox=boxes)
    figure = progress(rows.assign(weaker=boxes == "none"), NOISE, title="night", size=size)
    figure.canvas.draw()
    assert "19 of 20 runs of the best fall here" in said(figure)
    assert "mean ± standard error" in said(figure)
    assert "sandbox: none" in said(figure)
    title = figure.axes[0]._left_title  # type: ignore[attr-defined]
    extents = [each.get_window_extent() for each in (*figure.legends, *figure.texts, title)]
    assert all(box.x1 <= figure.bbox.x1 for box in extents)
    assert not [pair for pair in combinations(extents, 2) if pair[0].overlaps(pair[1])]
    assert not [box for box in extents for axes in figure.axes if box.overlaps(axes.bbox)]


def test_keeps_that_no_person_approved_are_rings() -> None:
    rows = campaign(60)
    assert "kept, not approved" not in said(progress(rows, NOISE))
    assert "kept, not approved" in said(progress(rows.assign(held=rows["number"] > 0), NOISE))


def test_the_band_is_as_high_as_luck_reaches() -> None:
    rows = frame([BASELINE, ("discard", 1.3001, "x")]).assign(score_se=0.01, scores=4)
    figure = progress(rows, NOISE)
    [band] = [each for each in figure.axes[0].collections if each.get_zorder() < 1]
    heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert heights.max() - 1.3 == pytest.approx(reach(NOISE, 4))
    assert 1.3 - heights.min() == pytest.approx(reach(NOISE, 4))
    low, high = figure.axes[0].get_ylim()
    assert low < heights.min() < heights.max() < high
    assert "baseline 1.300 ± 0.010" in said(figure)


@pytest.mark.parametrize("by", [Against.EXPERIMENTS, Against.HOURS, Against.DEVICE_HOURS])
def test_the_line_goes_down_in_the_order_of_finishing(by: Against) -> None:
    table = rows(60)
    kept = [row.number for row in table if row.status == "keep"]
    finished = {row.number: row.finished for row in table}
    assert kept != sorted(kept, key=lambda number: str(finished[number]))
    places, scores = line_of_steps(progress(frame_of(table), NOISE, by=by)).T
    assert (np.diff(places) >= 0).all()
    assert (np.diff(scores) <= 0).all()


def test_device_hours_add_up_to_all_runs() -> None:
    table = rows(60)
    figure = progress(frame_of(table), by=Against.DEVICE_HOURS)
    after = sum(row.seconds for row in table[1:]) / 3600
    assert figure.axes[0].get_xlim()[1] == pytest.approx(1.015 * after)
    assert "hours of all devices" in figure.axes[-1].get_xlabel()


def test_the_band_ends_at_a_metrics_floor() -> None:
    wide = Noise(1.0, 3.0)
    scored = CASES["one far off"]
    assert find_scale(scored, wide)[0] == 0.0
    assert find_scale(scored, wide, replace(VAL_BPB, zero_is_floor=False))[0] < 0.0
