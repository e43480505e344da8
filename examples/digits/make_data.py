"""Split scikit-learn's handwritten digits into what a run sees, what is hidden, and an audit.

Run once, where scikit-learn is installed: python make_data.py
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

PARTS = {"data": 900, "hidden": 600, "hidden/audit": 297}

bunch = load_digits()
order = np.random.default_rng(0).permutation(len(bunch.target))
start = 0
for folder, rows in PARTS.items():
    chosen = order[start : start + rows]
    np.savez_compressed(
        Path(__file__).parent / folder / "digits.npz",
        images=bunch.images[chosen].astype(np.uint8),
        digits=bunch.target[chosen].astype(np.uint8),
    )
    start += rows
