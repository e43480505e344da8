"""Processes of a run: start, watch, end, and make sure that none is left."""
