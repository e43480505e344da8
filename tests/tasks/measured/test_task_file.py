from pathlib import Path

import pytest

from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Bound, Direction, Metric
from autoresearch_kit.tasks.measured import task_file
from tests.tasks.measured.folders import SHORT, write_task

WHOLE = """
name = "digits"
about = "handwritten digits"
train_seconds = 20
objectives = ["accuracy", "inference_seconds"]
bounds = ["parameters <= 3e4", "accuracy >= 0.5"]
[[metrics]]
name = "accuracy"
direction = "higher"
unit = "share"
[limits]
measure_seconds = 60
measure_memory_mb = 2000
submission_seconds = 5
[sandbox]
sees = ["/usr/share/dict"]
hides = ["sklearn/datasets/data"]
"""


def test_everything_in_a_task_file_is_read(tmp_path: Path) -> None:
    write_task(tmp_path, WHOLE)
    found = task_file.read(tmp_path, "toy")
    assert found.task.metrics == (Metric("accuracy", Direction.HIGHER, "share"),)
    assert found.task.objectives == ("accuracy", "inference_seconds")
    assert found.task.bounds == (Bound("parameters", 3e4), Bound("accuracy", 0.5, at_most=False))
    assert (found.task.name, found.task.folder, found.about) == (
        "digits", "toy", "handwritten digits",
    )  # fmt: skip
    assert (found.train_seconds, found.measure_seconds, found.measure_memory_mb) == (20, 60, 2000)
    assert found.submission_seconds == 5
    assert (found.sees, found.hides) == (("/usr/share/dict",), ("sklearn/datasets/data",))
    assert not found.task.trusted


def test_a_short_task_has_the_folder_name_and_first_metric(tmp_path: Path) -> None:
    write_task(tmp_path)
    found = task_file.read(tmp_path, "toy")
    assert (found.task.name, found.task.objectives) == ("toy", ("error",))
    assert found.train_seconds == task_file.TRAIN_SECONDS


@pytest.mark.parametrize("key", ["measure", "checks"])
def test_a_task_with_a_command_is_trusted(key: str, tmp_path: Path) -> None:
    write_task(tmp_path, f'{key} = "./x.sh"\n{SHORT}')
    assert task_file.read(tmp_path, "toy").task.trusted


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("x", "is not TOML"),
        ('name = "a"', r"no metrics; write for each a line \[\[metrics\]\]"),
        (f"trian_seconds = 3\n{SHORT}", "unknown key trian_seconds; did you mean train_seconds"),
        (f'direction = "lower"\n{SHORT}', r"belongs below a line \[\[metrics\]\]"),
        (f"{SHORT}[limits]\nseconds = 3", r"\[limits\]: unknown key seconds"),
        (f'{SHORT}[sandbox]\nhide = ["a"]', "did you mean hides"),
        (f'train_seconds = "60"\n{SHORT}', "train_seconds is '60'; it must be a number above 0"),
        (f"train_seconds = 0\n{SHORT}", "must be a number above 0"),
        (f"train_seconds = 1e308\n{SHORT}", "must be a number above 0"),
        (f'{SHORT}unit = "a\\nb"', "unit is 'a\\\\nb'; it must be one line"),
        (f"train_seconds = nan\n{SHORT}", "must be a number above 0"),
        (f"train_seconds = true\n{SHORT}", "must be a number above 0"),
        (f"train_seconds = 1{'0' * 400}\n{SHORT}", "must be a number above 0"),
        (f"train_seconds = 1{'0' * 5000}\n{SHORT}", "can't be read: Exceeds the limit"),
        (f"a = {'[' * 100_000}\n{SHORT}", "can't be read: maximum recursion depth"),
        (f'measure = "a\\u0000b"\n{SHORT}', "measure is 'a.x00b'; it must be a text"),
        (f'trusted = "yes"\n{SHORT}', "must be true or false"),
        (f'bounds = "error <= 1"\n{SHORT}', "must be a list of texts"),
        ("metrics = 3", r"write each of them below a line \[\[metrics\]\]"),
        (f'name = "a b"\n{SHORT}', "name is 'a b'; it must be a letter"),
        (f'{SHORT}direction = "down"', 'direction is \'down\'; it must be "lower" or "higher"'),
        (f"{SHORT}{SHORT}", "error is there twice"),
        ("[[metrics]]", 'it has no name; write name = "error"'),
        ('[[metrics]]\nname = "a-b"', "must be a word of Python"),
        ('[[metrics]]\nname = "lambda"', "must be a word of Python"),
        ('[[metrics]]\nname = "nodes"', "nodes is measured by the kit for every task"),
        ('[[metrics]]\nname = "a_se"', "the ending _se is of standard errors"),
        (f'objectives = ["eror"]\n{SHORT}', "objective 'eror' is no metric; known are error, "),
        (f'objectives = ["error", "error"]\n{SHORT}', "objectives has 'error' twice"),
        (f'bounds = ["error < 3"]\n{SHORT}', 'write "METRIC <= NUMBER"'),
        (f'bounds = ["eror <= 3"]\n{SHORT}', "bound 'eror <= 3' is on no metric"),
        (f'bounds = ["error <= -1"]\n{SHORT}', "can't hold: error is never below 0"),
        (f'bounds = ["nodes <= -1"]\n{SHORT}', "can't hold: nodes is never below 0"),
        (f'bounds = ["error >= 3", "error <= 2"]\n{SHORT}', "can't both hold"),
        (f'bounds = ["error >= 3", "error >= 1", "error <= 2"]\n{SHORT}', "can't both hold"),
        (f'{SHORT}[sandbox]\nsees = ["words"]', "must be an absolute path"),
        (f'{SHORT}[sandbox]\nsees = ["/"]', "name a folder"),
        (f'{SHORT}[sandbox]\nsees = ["/proc/1"]', "which the kernel makes up"),
        (f'{SHORT}[sandbox]\nsees = ["/usr/../proc"]', "must be an absolute path, .* without .."),
        (f'{SHORT}[sandbox]\nsees = ["//usr/share"]', "must be an absolute path"),
        (f'{SHORT}[sandbox]\nhides = ["a/../../b"]', "write it without .."),
        (f'{SHORT}[sandbox]\nhides = ["//usr/share"]', "from one /"),
        (f'{SHORT}[sandbox]\nhides = ["~/data"]', "without .. and ~"),
        (f'{SHORT}[sandbox]\nhides = ["sklearn/*.csv"]', "each by its path, without"),
        (f'{SHORT}[sandbox]\nhides = ["."]', "which is all there is"),
    ],
)
def test_a_wrong_task_file_is_refused_with_a_way_out(toml: str, words: str, tmp_path: Path) -> None:
    write_task(tmp_path, toml)
    with pytest.raises(InputError, match=words):
        task_file.read(tmp_path, "toy")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    folder = write_task(tmp_path)
    (folder / "task.toml").write_text(SHORT, encoding="utf-8-sig", newline="\r\n")
    assert task_file.read(tmp_path, "toy").task.objectives == ("error",)


def test_another_encoding_is_told_with_a_way_out(tmp_path: Path) -> None:
    folder = write_task(tmp_path)
    (folder / "task.toml").write_text(f'about = "caf\u00e9"\n{SHORT}', encoding="latin-1")
    with pytest.raises(InputError, match="save it as UTF-8"):
        task_file.read(tmp_path, "toy")


@pytest.mark.parametrize("micro", ["\u00b5", "\u03bc"])
def test_a_metric_in_microseconds_can_have_a_bound(micro: str, tmp_path: Path) -> None:
    name = f"{micro}s"
    write_task(tmp_path, f'bounds = ["{name} <= 5"]\n[[metrics]]\nname = "{name}"')
    assert task_file.read(tmp_path, "toy").task.bounds == (Bound(name, 5.0),)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    write_task(tmp_path, f'trusted = 3\nbounds = ["x <= 1"]\n{SHORT}directoin = "lower"')
    _, problems = task_file.examine(tmp_path, "toy")
    assert len(problems) == 3
    with pytest.raises(InputError, match="and 2 more: autoresearch check toy"):
        task_file.read(tmp_path, "toy")


def test_a_folder_without_a_task_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no task\.toml in toy; make a task with: autoresearch n"):
        task_file.read(tmp_path, "toy")
