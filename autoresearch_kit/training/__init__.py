"""For training notebooks to import."""
