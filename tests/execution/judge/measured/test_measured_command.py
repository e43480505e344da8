"""Test commands that measure, and checks: real shells in the measurement's sandbox."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.measured_command import check, measure
from autoresearch_kit.execution.judge.measuring_sandbox import MeasuringSandbox
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure
from autoresearch_kit.execution.sandbox import bubblewrap
from autoresearch_kit.records import Metric, Reason, TaskInfo
from autoresearch_kit.tasks.kinds import read_info
from tests.execution.judge.measured import submissions
from tests.execution.judge.measured.prepared import ERROR, prepare
from tests.execution.judge.measured.submissions import Does
from tests.execution.judge.measured.test_measured import NOT, refusal, submit

SH = "#!/bin/sh\n"


def sandbox_of(spec: JudgeSpec) -> MeasuringSandbox:
    info = read_info(spec.dataset)
    assert isinstance(info, TaskInfo)
    return MeasuringSandbox(spec, info)


def fault(act: Callable[[], object]) -> tuple[Reason, str]:
    with pytest.raises(ScoreFailure) as caught:
        act()
    return caught.value.reason, caught.value.detail


def write(spec: JudgeSpec, script: str, checks: str = "") -> JudgeSpec:
    files = {"measure.sh": SH + script} | ({"checks.sh": SH + checks} if checks else {})
    prepare(
        spec.dataset,
        metrics=(ERROR, Metric("rate")),
        command="./measure.sh",
        checks="./checks.sh" if checks else "",
        files=files,
    )
    return submit(spec)


def test_metric_lines_are_the_score(spec: JudgeSpec) -> None:
    script = """
echo "METRICS error=9"; echo "# METRIC error=9"
echo "METRIC error=$(wc -l < "$AUTORESEARCH_OUTPUT/answers")"
printf 'METRIC rate=-1.5e3\\r\\n'
echo "METRIC error_se=0.5"; echo "METRIC error=1" >&2
test -s "$AUTORESEARCH_SUBMISSION" && test -f "$AUTORESEARCH_HIDDEN/y.npy" &&
test -f "$AUTORESEARCH_DATA/seen.txt" && awk 'BEGIN { exit 0 }'
"""
    write(spec, script)
    (spec.output / "answers").write_text("1\n2\n3\n")
    score = scoring.score(spec)
    assert (score.values["error"], score.values["rate"]) == (3.0, -1500.0)
    assert (score.errors, score.trusted) == ({"error": 0.5}, True)


def test_it_writes_to_a_copy_that_nobody_sees_later(spec: JudgeSpec) -> None:
    script = (
        'test ! -e built || exit 1; touch built "$HOME/x"; echo METRIC error=1; echo METRIC rate=1'
    )
    write(spec, script, checks="test ! -e built; touch built")
    assert scoring.score(spec).value == 1.0
    assert not (spec.dataset / "measure" / "built").exists()
    assert scoring.score(spec).value == 1.0


BOTH = "echo METRIC error=1; echo METRIC rate=2; "

FAULTS = {
    "fails": (f"{BOTH}echo why >&2; exit 3", NOT, "./measure.sh ended with status 3: why"),
    "is killed": (f"{BOTH}kill -9 $$", NOT, "./measure.sh ended with status 137"),
    "lacks a metric": ("echo METRIC error=1", NOT, "rate was never reported"),
    "says it twice": (f"{BOTH}{BOTH}", NOT, "error was reported twice; report each metric once"),
    "says no number": ("echo METRIC error=fast", NOT, "METRIC error=b'fast' is no number"),
    "says infinity": ("echo METRIC error=inf", Reason.NOT_FINITE, "error was reported as inf"),
    "takes memory": (
        "python -c 'import time; held = [(bytearray(10**8), time.sleep(0.1)) for _ in range(99)]'",
        Reason.OUT_OF_MEMORY, "./measure.sh takes too much: ",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "reason", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line(script: str, reason: Reason, words: str, spec: JudgeSpec) -> None:
    sandbox = sandbox_of(write(spec, script))
    found, detail = fault(lambda: measure(sandbox, time.monotonic() + 60).check_complete())
    assert (found, words in detail, "\n" in detail) == (reason, True, False), detail


def test_a_command_that_hangs_is_ended(spec: JudgeSpec) -> None:
    sandbox = sandbox_of(replace(write(spec, "sleep 600", checks="sleep 600"), seconds=1))
    assert fault(lambda: measure(sandbox, time.monotonic() + 1)) == (
        NOT, "./measure.sh did not end within 1 s (measure_seconds)",
    )  # fmt: skip
    assert fault(lambda: check(sandbox, time.monotonic() + 1)) == (
        Reason.CHECKS_FAILED, "./checks.sh did not end within 1 s (measure_seconds)",
    )  # fmt: skip


def test_checks_come_first(spec: JudgeSpec) -> None:
    write(spec, "exit 9", checks="echo 3 of 9 fail; exit 1")
    assert refusal(spec) == (
        Reason.CHECKS_FAILED, "./checks.sh ended with status 1: 3 of 9 fail",
    )  # fmt: skip


def test_checks_come_before_a_notebook_too(spec: JudgeSpec) -> None:
    prepare(spec.dataset, checks="test ! -e bad")
    assert scoring.score(submit(spec)).value == 0.0
    (spec.dataset / "measure" / "bad").touch()
    assert refusal(spec)[0] is Reason.CHECKS_FAILED


def test_a_flood_costs_no_memory(spec: JudgeSpec) -> None:
    flood = "head -c 300000000 /dev/zero; echo; head -c 100000000 /dev/zero | tr '\\0' '\\n'; "
    assert scoring.score(write(spec, flood + BOTH)).value == 1.0


def test_what_its_children_print_later_is_no_metric(spec: JudgeSpec) -> None:
    """A command is over when nothing of it can print any more; what stays is ended."""
    script = f"{BOTH}(sleep 600; echo METRIC error=0) > /dev/null & "
    assert scoring.score(write(spec, script)).value == 1.0


@pytest.mark.skipif(bool(bubblewrap.why_not()), reason=bubblewrap.why_not())
def test_it_sees_programs_and_nothing_of_yours(spec: JudgeSpec) -> None:
    home = Path.home()
    script = f"test ! -e {home}/.ssh && test ! -e {spec.dataset}/task.json && {BOTH}"
    assert scoring.score(write(spec, script)).value == 1.0


def test_a_submission_that_can_not_be_loaded_has_no_parameters(spec: JudgeSpec) -> None:
    """Only the command knows what its submission is."""
    asked = submit(write(spec, BOTH), submissions.Loads(submissions.fail))
    assert "parameters" not in scoring.score(asked).values


def test_a_forged_metric_line_makes_two(spec: JudgeSpec) -> None:
    """A submission that a command loads can print, but not unprint what the command says."""
    load = "import os, pickle; pickle.load(open(os.environ['AUTORESEARCH_SUBMISSION'], 'rb'))(1)"
    asked = submit(write(spec, f'python -c "{load}"; {BOTH}'), Does(submissions.forge))
    assert refusal(asked) == (NOT, "error was reported twice; report each metric once")
