"""Experiments as git commits and refs, and sharing them with other repositories."""

from autoresearch_kit.ledger.entries import Entry
from autoresearch_kit.ledger.history import History
from autoresearch_kit.ledger.refs import campaigns, is_tag, valid_tag
from autoresearch_kit.ledger.repository import find_root

__all__ = ["Entry", "History", "campaigns", "find_root", "is_tag", "valid_tag"]
