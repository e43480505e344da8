"""The training notebook as a value: cells by name, edits, constants, what differs."""

from autoresearch_kit.notebook.train_notebook import TrainNotebook

__all__ = ["TrainNotebook"]
