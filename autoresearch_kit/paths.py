"""Where things lie on this machine."""

import os
from pathlib import Path

import platformdirs


def data_home() -> Path:
    """The folder of prepared data sets: $AUTORESEARCH_DATA, else the user data folder."""
    override = os.environ.get("AUTORESEARCH_DATA")
    return Path(override) if override else platformdirs.user_data_path("autoresearch_kit") / "data"
