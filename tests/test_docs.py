"""README and docs name files, sections and commands that exist."""

import re
from pathlib import Path

import pytest
import typer.main

from autoresearch_kit.ui.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
PATH = re.compile(r"\b(?:tests|benchmarks)/[\w/]+(?:\.py|/)")
COMMAND = re.compile(r"(?:^|`)\s*!?autoresearch ([a-z]+)([^`\n#]*)", re.MULTILINE)

pytestmark = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_lead_somewhere(page: Path) -> None:
    for target, section in LINK.findall(page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not section or section in headings(path), f"{target}#{section}"


def test_named_files_exist(page: Path) -> None:
    assert [path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()] == []


def test_commands_and_options_exist(page: Path) -> None:
    commands = typer.main.get_group(app).commands
    for name, rest in COMMAND.findall(page.read_text()):
        assert name in commands, name
        options = {"--help"} | {option for param in commands[name].params for option in param.opts}
        if name != "lab":  # it takes JupyterLab's options
            assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= options, rest
