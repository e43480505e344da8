"""Scoring: the judge holds the targets, predictors hold the submission."""
