"""The training notebook's constants where a measurement is only tried out, on a busy CPU too."""

from collections.abc import Mapping

from autoresearch_kit.records import Constant

SIZES: Mapping[str, Constant] = {"DEPTH": 1, "HEADS": 1, "HEAD_DIM": 64}
"""Sizes for both notebooks."""

SMALL: Mapping[str, Constant] = {**SIZES, "MLP_RATIO": 2, "COMPILE": False}
"""Constants of the notebook for CPUs; the rest are the `cpu` profile's."""
