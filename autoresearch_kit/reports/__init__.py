"""Readings of a campaign: status, tables, figures, results."""
