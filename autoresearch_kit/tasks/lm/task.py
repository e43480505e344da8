"""Language modelling: a model predicts the next token, and is scored in bits per byte."""

from autoresearch_kit.notebook.contract import content_problems
from autoresearch_kit.tasks.base import Direction, Metric, Task
from autoresearch_kit.tasks.lm.splits import Split, metric_name

SCORING_VERSION = 1
"""Raise it by hand with every change after which the same submission would get another score.

Scores of different versions are never compared. `tests/tasks/lm/test_frozen_scores.py` fails where
a change was forgotten.
"""


TASK = Task(
    name="language modelling",
    metrics=(Metric(metric_name(Split.VAL), Direction.LOWER, "bits per byte"),),
    bounds=(),
    scoring_version=SCORING_VERSION,
    prepare_module="autoresearch_kit.tasks.lm.prepare",
    judge_module="autoresearch_kit.execution.judge.judge",
    notebook_problems=content_problems,
)
