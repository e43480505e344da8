"""The training notebook's constants where a measurement is only tried out, on a busy CPU too."""

from collections.abc import Mapping

from autoresearch_kit.records import Constant

SMALL: Mapping[str, Constant] = {
    "DEPTH": 1,
    "HEADS": 1,
    "HEAD_DIM": 64,
    "MLP_RATIO": 2,
    "COMPILE": False,
}
"""The rest is the `cpu` profile's."""
