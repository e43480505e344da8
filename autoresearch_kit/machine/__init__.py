"""Devices, cores and memory of this machine, and the training constants that suit them."""
