"""Questions about finished experiments: which keeps are real."""
