"""The interface of measuring notebooks: `from autoresearch_kit.measuring import measure`."""

from autoresearch_kit.measuring.measurement import measure

__all__ = ["measure"]
