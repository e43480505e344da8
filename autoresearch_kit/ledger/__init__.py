"""Experiments as git commits and refs, and sharing them with other repositories."""

from autoresearch_kit.ledger.history import Entry, History, campaigns
from autoresearch_kit.ledger.refs import is_tag, valid_tag
from autoresearch_kit.ledger.repository import find_root

__all__ = [
    "Entry",
    "History",
    "campaigns",
    "find_root",
    "is_tag",
    "valid_tag",
]
