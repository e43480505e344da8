"""Figures and tables of campaigns."""
