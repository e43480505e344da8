"""Modules for training notebooks to import: the run, its budget, and the hand-over of the model."""
