from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import Noise, SandboxLevel, Verdict
from autoresearch_kit.reports.tables import TSV_COLUMNS, read_tsv, to_frame, to_tsv, weaker
from tests.ledger.ledger import disturbed, experiment, repeated, run, score

NIGHT = Path(__file__).parents[1] / "data" / "h100_mar8_results.tsv"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def entry(number: int, val_bpb: float | None, verdict: Verdict, idea: str = "wider") -> Entry:
    return Entry(experiment(number, val_bpb, verdict, idea=idea), COMMIT, COMMIT)


ENTRIES = [
    entry(0, 1.5, Verdict.KEEP),
    entry(1, 1.6, Verdict.DISCARD),
    entry(2, None, Verdict.CRASH),
    entry(3, 1.4, Verdict.KEEP),
    entry(4, 1.3, Verdict.DISCARD),
]


def test_one_row_per_experiment_in_order() -> None:
    frame = to_frame(ENTRIES)
    assert list(frame["number"]) == [0, 1, 2, 3, 4]
    assert list(frame["status"]) == ["keep", "discard", "crash", "keep", "discard"]


def test_a_crash_has_no_val_bpb() -> None:
    assert to_frame(ENTRIES)["val_bpb"].isna().tolist() == [False, False, True, False, False]


def test_what_was_disturbed_has_no_val_bpb_and_names_what_it_tries_again(tmp_path: Path) -> None:
    entries = [ENTRIES[0], Entry(disturbed(1, 1.2, 1.3, retry_of=0), "c", "r")]
    frame = to_frame(entries)
    assert frame["val_bpb"].isna().tolist() == [False, True]
    assert frame["retry_of"].tolist()[1] == 0
    assert frame["wall_seconds"][1] == 2 * 320.0
    path = tmp_path / "night.tsv"
    path.write_text(to_tsv(entries))
    assert list(read_tsv(path)["scores"]) == [1, 0]


def test_best_is_that_of_the_latest_keep() -> None:
    assert to_frame(ENTRIES)["best"].tolist() == [1.5, 1.5, 1.5, 1.4, 1.4]


def test_delta_is_to_the_best_before() -> None:
    delta = to_frame(ENTRIES)["delta"]
    assert delta[1] == pytest.approx(0.1)
    assert delta[3] == pytest.approx(-0.1)
    assert delta[4] == pytest.approx(-0.1)
    assert delta.isna().tolist() == [True, False, True, False, False]


def test_runs_are_put_together() -> None:
    made = experiment(0)
    runs = (run(steps=100, memory_mb=900.0), run(steps=200, memory_mb=800.0))
    row = to_frame([Entry(replace(made, runs=runs), COMMIT, COMMIT)]).iloc[0]
    assert (row["train_seconds"], row["steps"], row["memory_mb"]) == (600.0, 150.0, 900.0)


def on_a_gpu(*peaks: float | None) -> Entry:
    runs = tuple(replace(run(), gpu_mb=peak) for peak in peaks)
    return Entry(replace(experiment(0), runs=runs), COMMIT, COMMIT)


def test_a_gpus_memory_is_the_highest_of_its_runs() -> None:
    assert to_frame([on_a_gpu(None, 66_900.0, 200.0)])["gpu_memory_mb"].tolist() == [66_900.0]
    assert to_frame([on_a_gpu(None)])["gpu_memory_mb"].isna().all()


def test_upstreams_table_has_a_gpus_memory_in_its_unit(tmp_path: Path) -> None:
    table = to_tsv([on_a_gpu(64.5 * 2**30 / 1e6)])
    assert table.splitlines()[1].split("\t")[2] == "64.5"
    (tmp_path / "results.tsv").write_text(table)
    [read] = read_tsv(tmp_path / "results.tsv")["gpu_memory_mb"]
    assert read == pytest.approx(64.5 * 2**30 / 1e6)


def repeats() -> list[Entry]:
    """A baseline with two runs and one more since, a discard that asked for it, and its noise."""
    noise = Noise(0.03, 5.0)
    asked = repeated(experiment(1, 1.6, Verdict.DISCARD), 1.7, reruns=(1.6,), noise=noise)
    asked = replace(asked, set_aside=(run(),))
    return [Entry(one, COMMIT, COMMIT) for one in (repeated(experiment(0), 1.5, 1.4), asked)]


def test_a_score_is_the_mean_of_all_that_its_code_has() -> None:
    frame = to_frame(repeats())
    assert frame["val_bpb"].tolist() == pytest.approx([1.5, 1.7])
    assert frame["scores"].tolist() == [3, 1]


def test_errors_follow_from_the_latest_noise() -> None:
    frame = to_frame(repeats())
    assert frame["error"].tolist() == pytest.approx([0.03 / 3**0.5, 0.03])
    assert frame["delta_error"][1] == pytest.approx(0.03 * (1 + 1 / 3) ** 0.5)


def test_without_a_noise_there_are_no_errors() -> None:
    assert to_frame(ENTRIES)[["error", "delta_error"]].isna().all(axis=None)


def test_seconds_are_those_of_all_runs() -> None:
    assert to_frame(repeats())["wall_seconds"].tolist() == [640.0, 960.0]


def test_the_audit_is_the_mean_over_runs_that_have_one() -> None:
    runs = (replace(run(value=1.5), audit=score(1.6)), run(value=1.4))
    one = replace(experiment(0), runs=runs)
    frame = to_frame([Entry(one, COMMIT, COMMIT), ENTRIES[1]])
    assert frame["audit"][0] == 1.6
    assert pd.isna(frame["audit"][1])


def test_the_sandbox_is_the_weakest_of_its_runs() -> None:
    runs = (replace(run(), sandbox=SandboxLevel.BUBBLEWRAP), run())
    entries = [
        Entry(replace(experiment(0), runs=runs[:1]), COMMIT, COMMIT),
        Entry(replace(experiment(1), runs=runs), COMMIT, COMMIT),
        Entry(replace(experiment(2), runs=()), COMMIT, COMMIT),
    ]
    frame = to_frame(entries)
    assert frame["sandbox"].tolist() == ["bubblewrap", "none", ""]
    assert weaker(frame).tolist() == [False, True, False]


def test_one_sandbox_is_nowhere_weaker() -> None:
    assert not weaker(to_frame(ENTRIES)).any()


def test_an_experiment_without_a_run_has_no_measurements() -> None:
    made = experiment(1, None, Verdict.CRASH)
    row = to_frame([Entry(replace(made, runs=()), COMMIT, COMMIT)]).iloc[0]
    assert pd.isna(row["train_seconds"])
    assert row["runs"] == 0


def test_times_are_times() -> None:
    row = to_frame(ENTRIES).iloc[0]
    assert row["finished"] - row["started"] == pd.Timedelta(seconds=320)


def test_the_baseline_has_no_parent() -> None:
    assert to_frame(ENTRIES)["parent"].isna().tolist() == [True, False, False, False, False]


def test_an_empty_campaign_has_the_same_columns_and_types() -> None:
    empty, full = to_frame([]), to_frame(ENTRIES)
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_tsv_has_upstreams_columns_and_an_empty_val_bpb_for_a_crash() -> None:
    lines = to_tsv(ENTRIES).splitlines()
    assert lines[0] == NIGHT.read_text().splitlines()[0]
    assert lines[1] == "0123456\t1.500000\t0.8\tkeep\twider"
    assert lines[3] == "0123456\t\t0.8\tcrash\twider"


@pytest.mark.parametrize(
    "idea", ["a\tb\nc", 'say "no"', "naïve\r\n\x00\x1b[31m", "# x", "x" * 9000]
)
def test_any_idea_fits_into_one_tsv_line(idea: str, tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_text(to_tsv([entry(0, 1.5, Verdict.KEEP, idea), ENTRIES[1]]))
    assert len(path.read_text().splitlines()) == 3
    assert len(read_tsv(path)) == 2


def test_our_tsv_reads_back_as_the_same_numbers(tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_text(to_tsv(ENTRIES))
    columns = ["number", "status", "val_bpb", "best", "idea"]
    pd.testing.assert_frame_equal(read_tsv(path)[columns], to_frame(ENTRIES)[columns])


def test_upstreams_night_reads_as_a_campaign() -> None:
    frame = read_tsv(NIGHT)
    assert len(frame) == 126
    assert frame["best"].iloc[-1] == pytest.approx(0.969686)
    assert frame["val_bpb"].min() > 0.9
    assert frame["scores"].sum() == 125
    assert frame.dtypes.to_dict() == to_frame(ENTRIES).dtypes.to_dict()


@pytest.mark.parametrize("idea", ["null", "NA", "-1"])
def test_an_idea_that_looks_like_a_missing_value_is_an_idea(idea: str, tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_text(to_tsv([entry(0, 1.5, Verdict.KEEP, idea)]))
    assert read_tsv(path)["idea"].tolist() == [idea]


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match="expected:") as refused:
        read_tsv(path)
    assert str(list(TSV_COLUMNS)) in str(refused.value)


def test_an_unknown_status_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_text("\t".join(TSV_COLUMNS) + "\nabc\t1.0\t1.0\tkept\twider\n")
    with pytest.raises(InputError, match=r"'kept'.*allowed: keep, discard, crash"):
        read_tsv(path)


HEAD = "\t".join(TSV_COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns"),
        (HEAD, "no experiment in it yet"),
        (HEAD + "abc\t1.0\t1.0\tkeep\twider\tfaster\n", "6 fields, not 5, in the row"),
        (HEAD + "abc\t1.0\n", "2 fields, not 5, in the row"),
        (HEAD + "abc\tgood\t1.0\tkeep\twider\n", "val_bpb is no number.*'good'"),
    ],
)
def test_a_broken_log_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_tsv(path)


def test_a_picture_is_no_log(tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_bytes(b"\x89PNG\xff")
    with pytest.raises(InputError, match=r"can't read .*: it is no text"):
        read_tsv(path)


def test_a_log_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "results.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + NIGHT.read_bytes().replace(b"\n", b"\r\n"))
    pd.testing.assert_frame_equal(read_tsv(path), read_tsv(NIGHT))
