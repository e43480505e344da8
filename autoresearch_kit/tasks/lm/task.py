"""Language modelling: a model predicts the next token, and is scored in bits per byte."""

from autoresearch_kit.notebook.contract import content_problems
from autoresearch_kit.tasks.base import Kind

SCORING_VERSION = 1
"""Raise it by hand with every change after which the same submission would get another score.

Scores of different versions are never compared. `tests/tasks/lm/test_frozen_scores.py` fails where
a change was forgotten.
"""


PREPARE_MODULE = "autoresearch_kit.tasks.lm.prepare"
"""`python -m` of it, with a corpus and options, makes the data ready and prints its folder."""

LANGUAGE_MODEL = Kind(
    scoring_version=SCORING_VERSION,
    judge_module="autoresearch_kit.execution.judge.judge",
    notebook_problems=content_problems,
)
