"""Experiments as git commits and refs, and sharing them with other repositories."""

from autoresearch_kit.ledger.ledger import (
    NOTEBOOK,
    RECORD,
    Entry,
    History,
    campaigns,
    delete,
    latest_kept,
)
from autoresearch_kit.ledger.refs import is_tag, valid_tag
from autoresearch_kit.ledger.repository import find_root

__all__ = [
    "NOTEBOOK",
    "RECORD",
    "Entry",
    "History",
    "campaigns",
    "delete",
    "find_root",
    "is_tag",
    "latest_kept",
    "valid_tag",
]
