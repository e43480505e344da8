"""A task that is a folder: its own notebook measures what the training notebook handed over."""

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

SCORING_VERSION = 2
"""Raise it by hand with every change after which the same submission would get other values."""


NEEDS = Needs(
    parameters=PARAMETERS_FOR_ALL,
    calls=(
        Call(
            SETUP,
            "measured.start",
            "starts the budget and brings the data; write there: from autoresearch_kit.training "
            "import measured, and run = measured.start(TRAIN_SECONDS, SEED)",
        ),
        Call(
            SUBMIT,
            "run.submit",
            "hands over what is measured; write there: run.submit(model), or run.submit() where "
            "all of it are files in run.output",
        ),
    ),
)

MEASURED = Kind(
    scoring_version=SCORING_VERSION,
    judge_module="autoresearch_kit.execution.judge.measured",
    notebook_problems=partial(content_problems, NEEDS),
)
