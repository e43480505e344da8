"""Find which parts of one text stand verbatim in others: shingles of 40 bytes, by their hashes.

A text is first tested at every 25th position for an anchor of 16 bytes: each copied shingle
contains one. Only where half of the anchors within some 200 bytes are of the wanted text alone, all
shingles are compared. Less is chance: in 240 MB of other people's Python, 8% of the standard
library's bytes stand in shingles, such as lists of imports (measured on torch, sympy, scipy, ...).
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

RUN = 40
"""Bytes of a shingle: all texts of a kind have shorter ones in common."""

ANCHOR = 16
STRIDE = RUN - ANCHOR + 1
WORD = 8

NEIGHBOURS, ENOUGH = 8, 4
"""Neighbouring anchors, and how many of them must be of the wanted text: some 200 bytes."""

SLOTS = 2**25
"""Entries of the table by which most hashes are rejected."""

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: Knuth, TAOCP 3, section 6.4
HALF = np.uint64(32)

AROUND = 512
"""Bytes on either side of a copy, at least, in which shingles count."""

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
"""Positions in a text, or in a sorted set of hashes."""


def _hashes(text: bytes, length: int, stride: int = 1) -> Hashes:
    """Hash the `length` bytes (a multiple of 8) at every `stride`-th position of a text."""
    count = (len(text) - length) // stride + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    words = np.ndarray((count, length // WORD), "<u8", text, strides=(stride, WORD))
    hashed = words[:, 0] * FACTOR
    for column in range(1, length // WORD):
        hashed ^= hashed >> HALF
        hashed += words[:, column]
        hashed *= FACTOR
    return hashed ^ (hashed >> HALF)


class _Known:
    """A set of hashes in which millions can be looked up at a time."""

    def __init__(self, hashes: Hashes) -> None:
        self.sorted = _distinct(hashes)
        self._kept = np.ones(len(self.sorted), np.bool_)
        self._index()

    def places(self, hashes: Hashes) -> Places:
        """Return the positions in `hashes` of those in the set."""
        places = self._likely(hashes)
        return places[self._find(hashes[places])[0]]

    def which(self, hashes: Hashes) -> Places:
        """Return the positions in the sorted set of those that are among `hashes`, in order."""
        known, at = self._find(_distinct(hashes[self._likely(hashes)]))
        return at[known]

    def forget(self, hashes: Hashes) -> None:
        """Take these out of the set; the others keep their positions."""
        self._kept[self.which(hashes)] = False
        self._index()

    def _likely(self, hashes: Hashes) -> Places:
        places = np.flatnonzero(self._slots[_low(hashes)])
        return places[self._slots[_high(hashes[places])]]

    def _find(self, hashes: Hashes) -> tuple[npt.NDArray[np.bool_], Places]:
        if not len(self.sorted):
            return np.zeros(len(hashes), np.bool_), np.zeros(len(hashes), np.int64)
        at = np.minimum(np.searchsorted(self.sorted, hashes), len(self.sorted) - 1)
        return (self.sorted[at] == hashes) & self._kept[at], at

    def _index(self) -> None:
        kept = self.sorted[self._kept]
        self._slots = np.zeros(SLOTS, np.bool_)
        self._slots[_low(kept)] = True
        self._slots[_high(kept)] = True


def _distinct(hashes: Hashes) -> Hashes:
    """Return the sorted distinct hashes; `numpy.unique` takes ten times as long."""
    ordered = np.sort(hashes)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def _low(hashes: Hashes) -> npt.NDArray[np.intp]:
    return (hashes & np.uint64(SLOTS - 1)).astype(np.intp)


def _high(hashes: Hashes) -> npt.NDArray[np.intp]:
    return _low(hashes >> HALF)


class Wanted:
    """A text whose shingles are looked for in others, without those of `common` texts."""

    def __init__(self, text: bytes, common: Iterable[bytes] = ()) -> None:
        self.text = text
        hashes = _hashes(text, RUN)
        self._known = _Known(hashes)
        self._anchors = _Known(_hashes(text, ANCHOR))
        self._shingles = np.searchsorted(self._known.sorted, hashes)
        for other in common:
            self._known.forget(_hashes(other, RUN))
            self._anchors.forget(_hashes(other, ANCHOR))

    def copied(self, text: bytes) -> Places:
        """Return positions in `text` within copies of some 200 bytes of the wanted text."""
        hits = self._anchors.places(_hashes(text, ANCHOR, STRIDE))
        dense = hits[ENOUGH - 1 :] - hits[: 1 - ENOUGH] < NEIGHBOURS
        return hits[ENOUGH - 1 :][dense] * STRIDE

    def shingles(self, text: bytes, copies: Places) -> Places:
        """Return which of the wanted shingles `text` contains near these positions."""
        near = np.unique(copies // AROUND).tolist()
        parts = [text[max(0, at - 1) * AROUND : (at + 2) * AROUND + RUN] for at in near]
        return np.concatenate([self._known.which(_hashes(part, RUN)) for part in parts])

    def covered(self, shingles: Places) -> float:
        """Return the share of the wanted text's bytes that lie in one of these shingles."""
        present = np.zeros(len(self._known.sorted), np.bool_)
        present[shingles] = True
        bounds = np.zeros(len(self.text) + 1, np.int64)
        begins = np.flatnonzero(present[self._shingles])
        np.add.at(bounds, begins, 1)
        np.add.at(bounds, begins + RUN, -1)
        return float(np.count_nonzero(np.cumsum(bounds[:-1]))) / max(1, len(self.text))
