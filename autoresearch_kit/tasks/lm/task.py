"""Language modelling: a model predicts the next token, and is scored in bits per byte."""

from functools import partial

from autoresearch_kit.notebook.contract import (
    PARAMETERS_FOR_ALL,
    SETUP,
    SUBMIT,
    Call,
    Needs,
    content_problems,
)
from autoresearch_kit.tasks.base import Kind

SCORING_VERSION = 1
"""Raise it by hand with every change after which the same submission would get another score.

Scores of different versions are never compared. `tests/tasks/lm/test_frozen_scores.py` fails where
a change was forgotten.
"""


PREPARE_MODULE = "autoresearch_kit.tasks.lm.prepare"
"""`python -m` of it, with a corpus and options, makes the data ready and prints its folder."""

NEEDS = Needs(
    parameters={**PARAMETERS_FOR_ALL, "DATASET": '"stdlib"'},
    calls=(
        Call(
            SETUP,
            "kernel.start",
            "starts the budget and brings the data; write there: from autoresearch_kit.training "
            "import kernel, and run = kernel.start(DATASET, TRAIN_SECONDS, SEED)",
        ),
        Call(
            SUBMIT,
            "run.submit",
            "hands the model over to be scored; write there: run.submit(model)",
        ),
        Call(
            "",
            "run.steps",
            "ends the training with its budget; write there: for step in run.steps():",
        ),
        Call(
            "",
            "run.batches",
            "is a run's only data; write there: batches = run.batches(BATCH_SIZE)",
        ),
    ),
)

LANGUAGE_MODEL = Kind(
    scoring_version=SCORING_VERSION,
    judge_module="autoresearch_kit.execution.judge.judge",
    notebook_problems=partial(content_problems, NEEDS),
)
