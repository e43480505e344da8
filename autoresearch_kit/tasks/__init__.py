"""Tasks: what can be trained, and how it is measured; a folder for each."""
