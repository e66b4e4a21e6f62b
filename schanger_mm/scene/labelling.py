"""Find connected components of a mask from the runs of its rows, in numpy, so that scenes need no OpenCV."""

from __future__ import annotations

import numpy as np


def label_runs(mask: np.ndarray, connectivity: int) -> np.ndarray:
    """List the runs of changed pixels of a mask, and which of them are connected.

    Args:
        mask: ``(h, w)``, nonzero where changed.
        connectivity: 4, or 8 where pixels that touch at a corner are connected too.

    Returns:
        ``(n, 4)`` int64 in reading order: row, first column, column after the last one, and the component, counted
        from 0 by its first pixel in reading order.
    """
    height, width = mask.shape
    step = width + 2  # an empty column on each side: no run extends into the next row
    padded = np.zeros((height, step), np.int8)
    padded[:, 1:-1] = mask != 0
    edges = np.diff(padded.ravel(), prepend=0)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    reach = int(connectivity == 8)
    first = np.searchsorted(stops, starts + step - reach, side='right')  # runs below each run that touch it ...
    last = np.searchsorted(starts, stops + step + reach, side='left')  # ... are first, first + 1 to last - 1
    counts = last - first
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
    _, component = np.unique(connect(len(starts), upper, lower), return_inverse=True)
    rows = starts // step
    return np.stack([rows, starts - rows * step - 1, stops - rows * step - 1, component], axis=1)


def connect(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return, for each of ``count`` items, the smallest item that it is connected with by pairs (one, other)."""
    root = np.arange(count)
    while True:
        a, b = root[one], root[other]
        smaller = np.minimum(a, b)
        if np.array_equal(a, smaller) and np.array_equal(b, smaller):
            return root
        np.minimum.at(root, a, smaller)
        np.minimum.at(root, b, smaller)
        while not np.array_equal(root, root[root]):
            root = root[root]
