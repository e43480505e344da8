"""Scripts for pi-autoresearch measure a task as they are.

`tests/data/pi-autoresearch/checks.sh` is the example in `skills/autoresearch-create/SKILL.md` of
its npm package 1.6.0, unchanged (MIT, copyright Tobi Lutke and David Cortés). The package has no
measuring script of its own: `MEASURE` is written as that page asks, with the metrics that it names.
Where the script's project has pnpm, the test's has a program of that name that runs Python.
"""

from contextlib import suppress
from pathlib import Path

import pytest

from autoresearch_kit.execution.judge import scoring
from autoresearch_kit.execution.judge.scoring import JudgeSpec, ScoreFailure
from autoresearch_kit.records import Metric, Reason
from tests.execution.judge.measured.prepared import prepare
from tests.execution.judge.measured.test_measured import refusal

IN_PLACE = 'cp -Rn "$AUTORESEARCH_OUTPUT"/. .'
"""Puts what was handed over where such scripts have it, in the project's folder, beside them."""

CHECKS = (Path(__file__).parents[3] / "data" / "pi-autoresearch" / "checks.sh").read_text()

MEASURE = """#!/bin/bash
set -euo pipefail

python -m py_compile parse.py
total=$(python - <<'PY'
import statistics, time
from parse import parse
times = []
for _ in range(5):
    start = time.perf_counter()
    parse("a=1;b=2;" * 1000)
    times.append(1e6 * (time.perf_counter() - start))
print(statistics.median(times))
PY
)
echo "METRIC total_µs=$total"
echo "METRIC compile_µs=4200"
"""

PNPM = """#!/bin/sh
test "$1" = typecheck || exec python "$AUTORESEARCH_HIDDEN/test_parse.py"
"""

TEST = """
import sys
sys.path.insert(0, ".")
from parse import parse
assert parse("a=1;b=2;") == {"a": "1", "b": "2"}, "parse is wrong"
"""

PARSE = "def parse(text):\n    return dict(part.split('=') for part in text.split(';') if part)\n"


@pytest.fixture
def measured(spec: JudgeSpec) -> JudgeSpec:
    """A task whose files are measured and checked by such scripts."""
    prepare(
        spec.dataset,
        metrics=(Metric("total_µs", unit="µs", zero_is_floor=True),),
        command=f"{IN_PLACE} && ./measure.sh",
        checks=f'{IN_PLACE} && PATH="$PWD/bin:$PATH" ./checks.sh',
        files={"measure.sh": MEASURE, "checks.sh": CHECKS, "bin/pnpm": PNPM},
    )
    (spec.dataset / "hidden" / "test_parse.py").write_text(TEST)
    return spec


def test_its_metric_is_the_score_and_others_are_passed_over(measured: JudgeSpec) -> None:
    (measured.output / "parse.py").write_text(PARSE)
    score = scoring.score(measured)
    assert (score.metric, score.trusted) == ("total_µs", True)
    assert score.value > 1
    assert "compile_µs" not in score.values


def test_its_script_is_not_one_that_was_handed_over(measured: JudgeSpec) -> None:
    (measured.output / "parse.py").write_text(PARSE)
    (measured.output / "measure.sh").write_text("#!/bin/sh\necho METRIC total_µs=0\n")
    with suppress(ScoreFailure):  # from version 9.2 on, cp fails
        assert scoring.score(measured).value > 1


def test_its_checks_stop_what_is_wrong(measured: JudgeSpec) -> None:
    (measured.output / "parse.py").write_text("def parse(text):\n    return {}\n")
    reason, detail = refusal(measured)
    assert (reason, "parse is wrong" in detail) == (Reason.CHECKS_FAILED, True)
