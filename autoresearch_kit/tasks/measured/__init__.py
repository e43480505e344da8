"""Tasks that are folders: a training notebook, data, and a measurement that it can't see."""
