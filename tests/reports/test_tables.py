"""Experiments as frames, and as upstream's results.tsv."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.ledger import Entry
from autoresearch_kit.records import Experiment, Noise, SandboxLevel, Verdict
from autoresearch_kit.records.tasks import VAL_BPB
from autoresearch_kit.reports.tables import TSV_COLUMNS, frame_of, named, read_tsv, to_frame, to_tsv
from tests.ledger.ledger import disturbed, experiment, repeated, run, score

UPSTREAM = Path(__file__).parents[1] / "data" / "h100_mar8_results.tsv"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HEAD = "\t".join(TSV_COLUMNS) + "\n"
NAN = float("nan")


def entry(made: Experiment) -> Entry:
    return Entry(made, COMMIT, COMMIT)


SCORES = (1.5, 1.6, None, 1.4, 1.3)
VERDICTS = (Verdict.KEEP, Verdict.DISCARD, Verdict.CRASH, Verdict.KEEP, Verdict.DISCARD)
ENTRIES = [
    entry(experiment(number, val_bpb, verdict, idea="wider"))
    for number, (val_bpb, verdict) in enumerate(zip(SCORES, VERDICTS, strict=True))
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.tsv"


def test_experiments_are_compared_with_the_best_before_them() -> None:
    frame = to_frame([*ENTRIES, entry(disturbed(5, 1.2, 1.3, retry_of=4))])
    assert list(frame["number"]) == [0, 1, 2, 3, 4, 5]
    assert list(frame["status"]) == ["keep", "discard", "crash", "keep", "discard", "disturbed"]
    assert frame["val_bpb"].isna().tolist() == [False, False, True, False, False, True]
    assert frame["best"].tolist() == [1.5, 1.5, 1.5, 1.4, 1.4, 1.4]
    deltas = pytest.approx([NAN, 0.1, NAN, -0.1, -0.1, NAN], nan_ok=True)
    assert frame["delta"].tolist() == deltas
    assert frame[["val_bpb_se", "delta_se"]].isna().all(axis=None)
    assert frame["finished"][0] - frame["started"][0] == pd.Timedelta(seconds=320)
    assert (frame["retry_of"][5], frame["wall_seconds"][5]) == (4, 2 * 320.0)


def test_measurements_of_runs_are_combined() -> None:
    boxed = replace(run(steps=100, memory_mb=900.0), sandbox=SandboxLevel.BUBBLEWRAP)
    runs = (
        replace(boxed, audit=score(1.6), gpu_mb=66_900.0),
        replace(run(steps=200, memory_mb=800.0), gpu_mb=None),
    )
    made = [replace(experiment(n), runs=some) for n, some in enumerate((runs, runs[:1], ()))]
    frame = to_frame([entry(each) for each in made])
    columns = ["train_seconds", "steps", "memory_mb", "audit", "gpu_memory_mb"]
    assert frame.iloc[0][columns].tolist() == [600.0, 150.0, 900.0, 1.6, 66_900.0]
    assert frame.iloc[2][columns].isna().all()
    assert frame["sandbox"].tolist() == ["none", "bubblewrap", ""]
    assert frame["weaker"].tolist() == [True, False, False]


def test_later_runs_of_the_best_count_with_the_latest_noise() -> None:
    asked = experiment(1, 1.6, Verdict.DISCARD)
    asked = repeated(asked, 1.7, reruns=(1.6,), noise=Noise(0.03, 5.0))
    asked = replace(asked, set_aside=(run(),))
    frame = to_frame([entry(repeated(experiment(0), 1.5, 1.4)), entry(asked)])
    assert frame["val_bpb"].tolist() == pytest.approx([1.5, 1.7])
    assert frame["scores"].tolist() == [3, 1]
    assert frame["val_bpb_se"].tolist() == pytest.approx([0.03 / 3**0.5, 0.03])
    assert frame["delta_se"][1] == pytest.approx(0.03 * (1 + 1 / 3) ** 0.5)
    assert frame["wall_seconds"].tolist() == [640.0, 960.0]


def test_every_table_has_the_same_columns_and_types() -> None:
    types = to_frame(ENTRIES).dtypes.to_dict()
    assert to_frame([]).dtypes.to_dict() == types
    assert named(frame_of(read_tsv(UPSTREAM)), VAL_BPB).dtypes.to_dict() == types


def test_tsv_is_upstreams_and_reads_back(path: Path) -> None:
    peak = 64.5 * 2**30 / 1e6
    on_a_gpu = replace(experiment(5, 1.3), runs=(replace(run(value=1.3), gpu_mb=peak),))
    entries = [*ENTRIES, entry(on_a_gpu), entry(disturbed(6, 1.2))]
    path.write_text(to_tsv(entries))
    lines = path.read_text().splitlines()
    assert lines[0] == UPSTREAM.read_text().splitlines()[0]
    assert lines[1] == "0123456\t1.500000\t0.8\tkeep\twider"
    assert lines[3] == "0123456\t\t0.8\tcrash\twider"
    columns = ["number", "status", "val_bpb", "scores", "best", "delta", "idea"]
    read = read_tsv(path)
    pd.testing.assert_frame_equal(
        named(frame_of(read), VAL_BPB)[columns], to_frame(entries)[columns]
    )
    assert read[5].gpu_memory_mb == pytest.approx(peak)


@pytest.mark.parametrize(
    "idea", ["a\tb\nc", 'say "no"', "naïve\r\n\x00\x1b[31m", "# x", "x" * 9000, "null", "NA", "-1"]
)
def test_any_idea_fits_into_one_tsv_line(idea: str, path: Path) -> None:
    path.write_text(to_tsv([entry(experiment(0, idea=idea)), ENTRIES[1]]))
    assert len(path.read_text().splitlines()) == 3
    read = read_tsv(path)
    assert len(read) == 2
    assert read[0].idea == (idea if len(idea) < 9 and idea.isprintable() else read[0].idea)


def test_upstreams_night_is_read_as_tsv_or_from_a_spreadsheet(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + UPSTREAM.read_bytes().replace(b"\n", b"\r\n"))
    assert read_tsv(path) == read_tsv(UPSTREAM)
    frame = frame_of(read_tsv(path))
    assert (len(frame), frame["scores"].sum()) == (126, 125)
    assert frame["best"].iloc[-1] == pytest.approx(0.969686)
    assert frame["score"].min() > 0.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns"),
        ("a\tb\n1\t2\n", r"expected: \['commit', 'val_bpb'"),
        (HEAD, "no experiment in it yet"),
        (HEAD + "abc\t1.0\t1.0\tkeep\twider\tfaster\n", "6 fields, not 5, in the row"),
        (HEAD + "abc\t1.0\n", "2 fields, not 5, in the row"),
        (HEAD + "abc\tgood\t1.0\tkeep\twider\n", "could not convert .*'good', in the row"),
        (HEAD + "abc\t1.0\t1.0\tkept\twider\n", r"'kept'.*allowed: keep, discard, crash"),
        ("\x89PNG\udcff", "can't read .*: it is no text"),
    ],
)
def test_a_broken_log_is_refused(text: str, message: str, path: Path) -> None:
    with pytest.raises(InputError, match=r"can't read .*/results\.tsv: No such file or directory"):
        read_tsv(path)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=message):
        read_tsv(path)
