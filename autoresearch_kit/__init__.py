"""A researcher edits a training notebook all night, and keeps what predicts better."""

__version__ = "0.1.0"
