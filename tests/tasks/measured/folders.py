"""Folders of tasks, small enough to make one for each test."""

from pathlib import Path

from autoresearch_kit.tasks.measured.scaffold import new_task

SHORT = """
[[metrics]]
name = "error"
zero_is_floor = true
"""
"""The shortest task.toml that is one."""


def write_task(root: Path, toml: str = SHORT, **files: str) -> Path:
    """Write a task's folder `root/toy`, with these files; `__` in a name stands for `/`."""
    folder = root / "toy"
    folder.mkdir()
    (folder / "task.toml").write_text(toml)
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def scaffolded(root: Path) -> Path:
    """Return the folder `root/toy` of a task as `autoresearch new` writes it."""
    new_task(root / "toy")
    return root / "toy"
