"""autoresearch_kit: a researcher edits a training notebook all night, keeping what predicts better."""

__version__ = "0.1.0"
