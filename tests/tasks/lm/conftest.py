import random
from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder of this test's own."""
    folder = tmp_path / "data"
    monkeypatch.setenv("AUTORESEARCH_DATA", str(folder))
    return folder


@pytest.fixture(scope="session")
def prose() -> str:
    """Return 300 kB of lines of invented words, some of them not ASCII."""
    draw = random.Random(0)
    syllables = ["ka", "to", "mi", "re", "né", "sou", "λό", "bra", "日", "x"]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(800)]
    lines = [" ".join(draw.choices(words, k=12)) for _ in range(3_800)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def text_file(tmp_path: Path, prose: str) -> Path:
    path = tmp_path / "prose.txt"
    path.write_text(prose, encoding="utf-8")
    return path
