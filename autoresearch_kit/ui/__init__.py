"""Command line, control panel, doctor: what people use."""
