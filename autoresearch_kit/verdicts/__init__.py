"""Keep or discard, decided against measured noise: pure functions."""
