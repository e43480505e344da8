"""Scoring a submission: a judge holds the targets, its predictors hold the model."""
