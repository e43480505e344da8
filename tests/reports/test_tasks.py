"""Reports of campaigns whose metric is another than val_bpb."""

from dataclasses import replace

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import Experiment, Metric, Task
from autoresearch_kit.reports.figures.drawing import Drawing
from autoresearch_kit.reports.figures.progress import progress
from autoresearch_kit.reports.figures.score_scale import find_scale
from autoresearch_kit.reports.results import compare
from autoresearch_kit.reports.summary_words import summary_rows
from autoresearch_kit.reports.tables import to_frame, to_tsv
from tests.ledger import ledger
from tests.reports.figures.reading import line_of_steps, said
from tests.reports.tasks import ACCURACY, MAXIMISED, TINY, of_two_objectives, searched, shown


def entries(experiments: list[Experiment]) -> list[Entry]:
    return [Entry(each, "0" * 40, "0" * 40) for each in experiments]


PETS = searched(MAXIMISED, 0.9, 0.004)
PARSING = searched(TINY, 4.2e-7, 6e-9)


def test_a_maximised_metric_is_told_by_its_name() -> None:
    rows = dict(summary_rows(shown(PETS).summary))
    assert rows["baseline accuracy"] == "0.9000 ± 0.0040"
    assert rows["best accuracy"] == "0.9576 ± 0.0040, 0.0576 ± 0.0057 higher"
    assert "val_bpb" not in str(rows)


def test_percent_is_told_where_zero_is_a_floor() -> None:
    words = dict(summary_rows(shown(PARSING).summary))["best seconds_a_line"]
    assert words == "(3.335 ± 0.060)e-07, (8.65 ± 0.85)e-08 (20.58%) lower"


def test_the_line_of_a_maximised_metric_goes_up() -> None:
    figure = shown(PETS).progress()
    assert (line_of_steps(figure)[1:, 1] >= line_of_steps(figure)[:-1, 1]).all()
    assert figure.axes[0].get_ylabel() == "accuracy (higher is better)"
    assert "(0.0576 higher, experiment 29)" in said(figure)


def test_a_broken_score_below_does_not_flatten_a_maximised_metric() -> None:
    frame = shown(PETS)._frame.dropna(subset="score")
    broken = frame.assign(score=frame["score"].where(frame["number"] != 3, -40.0))
    assert find_scale(broken, None, ACCURACY)[0] > 0.8
    assert "1 off the scale, down to -40" in said(progress(broken, metric=ACCURACY))


def test_keeps_of_a_maximised_metric_begin_with_the_largest_gain() -> None:
    deltas = shown(PETS).keeps()["delta"]
    assert deltas.is_monotonic_decreasing
    assert (deltas > 0).all()
    assert shown(PETS).categories()["gain"].sum() == pytest.approx(deltas.sum())


def test_trusted_scores_are_marked() -> None:
    assert "trusted" not in shown(PETS).table()
    assert shown(PARSING).table()["trusted"].sum() == 28
    assert "trusted: loaded beside the hidden data" in said(shown(PARSING).progress())
    assert "trusted" in dict(summary_rows(shown(PARSING).summary))["measured"]


def test_other_objectives_and_bounds_have_columns() -> None:
    digits = shown(of_two_objectives())
    columns = ["error", "error_se", "delta", "delta_se", "inference_seconds", "submission_mb"]
    assert set(columns) <= set(digits.table())
    assert digits.table()["inference_seconds"].iloc[0] == pytest.approx(3e-5)
    assert ">3.000e-05<" in digits.table()._repr_html_()
    rows = dict(summary_rows(digits.summary))
    assert rows["bounds"] == (
        "inference_seconds <= 4e-05: held (3.700e-05); submission_mb <= 1: held (0.610000)"
    )
    assert rows["its inference_seconds"] == "3.700e-05, the baseline's 1.200e-05"


def test_the_front_is_drawn_and_counted() -> None:
    digits = shown(of_two_objectives())
    assert digits.summary.front == (8, 5, 6, 2)
    words = "8, 5, 6, 2; no keep is surely better than any of these"
    assert dict(summary_rows(digits.summary))["front"] == words
    assert isinstance(digits.front(), Drawing)
    assert "its front is its best" in str(shown(PETS).front())


def test_only_what_became_the_best_adds_to_the_gain() -> None:
    made = of_two_objectives()
    digits = shown([replace(each, settings=replace(each.settings, approve=True)) for each in made])
    assert digits.categories()["gain"].sum() == 0.0
    reasons = digits.table()["reason"]
    assert (reasons[0], reasons[1]) == ("baseline", "better, waits for approval")


def test_keeps_say_what_a_trade_off_gained_and_who_waits() -> None:
    made = of_two_objectives()
    keeps = shown([replace(each, settings=replace(each.settings, approve=True)) for each in made])
    assert {"reason", "inference_seconds"} <= set(keeps.keeps())
    assert keeps.keeps()["reason"][6] == "trade-off, waits for approval"


def test_a_broken_bound_is_said() -> None:
    made = of_two_objectives()
    tighter = replace(made[0].bounds[0], limit=3e-5)
    made = [*made[:-1], replace(made[-1], bounds=(tighter,))]
    rows = dict(summary_rows(shown(made).summary))
    assert rows["bounds"] == "inference_seconds <= 3e-05: broken (3.700e-05)"


def test_a_trade_off_does_not_become_the_best() -> None:
    digits = shown(of_two_objectives()).summary
    assert digits.best_row is not None
    assert digits.best_row.number == 8
    assert [row.best for row in digits.table][6] == pytest.approx(0.047)


def test_a_metric_may_be_called_as_a_column_of_the_kit() -> None:
    metric = replace(ACCURACY, name="status")
    task = replace(MAXIMISED, metrics=(metric,), objectives=("status",))
    frame = to_frame(entries(searched(task, 0.9, 0.004, 4)))
    assert frame["status"].iloc[0] == "keep"
    assert frame["status (measured)"].iloc[0] == 0.9


@pytest.mark.parametrize("name", ["commit", "status", "description"])
def test_a_metric_does_not_replace_a_column_of_the_tsv(name: str) -> None:
    task = Task("pets", (Metric(name),), (name,), folder="pets")
    head, first, *_ = to_tsv(entries(searched(task, 0.9, 0.004))).splitlines()
    assert head == f"commit\t{name} (measured)\tmemory_gb\tstatus\tdescription"
    assert first.startswith("0000000\t0.9\t")


def test_tsv_has_all_digits_of_a_tiny_metric() -> None:
    lines = to_tsv(entries(PARSING)).splitlines()
    assert lines[0] == "commit\tseconds_a_line\tmemory_gb\tstatus\tdescription"
    assert lines[1] == "0000000\t4.2e-07\t0.8\tkeep\tWIDTH 0 -> 1"


def test_campaigns_of_different_metrics_are_not_compared() -> None:
    language = shown([ledger.experiment(0)])
    with pytest.raises(InputError) as error:
        compare(language, shown(PETS))
    assert str(error.value) == (
        "campaigns of different metrics can't be compared: language modelling has val_bpb (bits "
        "per byte, lower is better); pets has accuracy (higher is better)"
    )
