"""Which runs of one text stand verbatim in others: shingles of 40 bytes, by their hashes.

A text to look in is first tested at every 25th place: any run of 40 bytes holds 16 that begin at
one. Only where, within some 200 bytes, half of these are of the wanted text alone, every place is
compared. Below that it is chance: in 240 MB of other people's Python, 8% of the standard library's
bytes stand in runs of 40, such as lists of imports (measured on torch, sympy, scipy and the rest).
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

RUN = 40
"""Bytes: shorter runs are common to all texts of a kind."""

ANCHOR = 16
STRIDE = RUN - ANCHOR + 1
WORD = 8

NEIGHBOURS, ENOUGH = 8, 4
"""So many tested places, of which so many must be of the wanted text: some 200 bytes."""

SLOTS = 2**25
"""Entries of the table that most hashes are refused by."""

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: Knuth, TAOCP 3, section 6.4
HALF = np.uint64(32)

AROUND = 512
"""Bytes on either side of a copy, at least, in which runs count."""

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


def _hashes(text: bytes, length: int, stride: int = 1) -> Hashes:
    """Hash the `length` bytes (a multiple of 8) at every `stride`-th place of a text."""
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
    """A set of hashes that answers for millions at a time which of them are in it."""

    def __init__(self, hashes: Hashes) -> None:
        self.sorted = _distinct(hashes)
        self._kept = np.ones(len(self.sorted), np.bool_)
        self._index()

    def places(self, hashes: Hashes) -> Places:
        """Return the places in `hashes` of those that are known."""
        places = self._likely(hashes)
        return places[self._find(hashes[places])[0]]

    def which(self, hashes: Hashes) -> Places:
        """Return which of the set are among `hashes`, in order."""
        known, at = self._find(_distinct(hashes[self._likely(hashes)]))
        return at[known]

    def forget(self, hashes: Hashes) -> None:
        """Know these no more; the others keep their places in the set."""
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
    """Return what `numpy.unique` does, which takes ten times as long."""
    ordered = np.sort(hashes)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def _low(hashes: Hashes) -> npt.NDArray[np.intp]:
    return (hashes & np.uint64(SLOTS - 1)).astype(np.intp)


def _high(hashes: Hashes) -> npt.NDArray[np.intp]:
    return _low(hashes >> HALF)


class Wanted:
    """A text whose runs are looked for in others, but for those that `common` texts have too."""

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
        """Return places in `text` that lie in a copy of some 200 bytes of the wanted text."""
        hits = self._anchors.places(_hashes(text, ANCHOR, STRIDE))
        dense = hits[ENOUGH - 1 :] - hits[: 1 - ENOUGH] < NEIGHBOURS
        return hits[ENOUGH - 1 :][dense] * STRIDE

    def shingles(self, text: bytes, copies: Places) -> Places:
        """Return which of the wanted shingles `text` holds near these places."""
        near = np.unique(copies // AROUND)
        parts = [text[max(0, one - 1) * AROUND : (one + 2) * AROUND + RUN] for one in near.tolist()]
        return np.concatenate([self._known.which(_hashes(part, RUN)) for part in parts])

    def covered(self, shingles: Places) -> float:
        """Return the share of the wanted text's bytes that lie in one of these shingles."""
        there = np.zeros(len(self._known.sorted), np.bool_)
        there[shingles] = True
        bounds = np.zeros(len(self.text) + 1, np.int64)
        begins = np.flatnonzero(there[self._shingles])
        np.add.at(bounds, begins, 1)
        np.add.at(bounds, begins + RUN, -1)
        return float(np.count_nonzero(np.cumsum(bounds[:-1]))) / max(1, len(self.text))
