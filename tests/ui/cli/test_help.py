"""`--help` names defaults."""

import re

import pytest
from rich.text import Text
from typer.testing import CliRunner

from autoresearch_kit.ui.cli.app import app


@pytest.mark.parametrize(
    ("option", "default"),
    [
        ("train-seconds", "300"),
        ("dataset", "stdlib"),
        ("researcher", "optuna"),
        ("rule", "careful"),
    ],
)
def test_help_names_the_defaults(option: str, default: str) -> None:
    shown = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["run", "--help"]).output
    told = Text.from_ansi(shown).plain  # where colours are asked for
    assert re.search(rf"--{option} .*\(default: {default}\)", told), told
