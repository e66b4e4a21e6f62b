"""Areas of classes, and the accuracy of a map, estimated from points that a person checked.

Source: Olofsson et al., "Good practices for estimating area and assessing accuracy of land change", Remote Sensing of
Environment 148, 2014, doi 10.1016/j.rse.2014.02.015, equations 1 to 11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Z = 1.96
"""Standard errors on each side of a 95 % confidence interval."""


@dataclass(frozen=True)
class AreaEstimate:
    """What checked points say about a map. Arrays have a value per class; intervals are half widths at 95 %.

    Args:
        mapped: area of each class on the map.
        area, area_interval: its estimated true area.
        users, users_interval: user's accuracy, the share of the class on the map that is right.
        producers, producers_interval: producer's accuracy, the share of the true class that the map found; NaN for a
            class that no point has.
        overall, overall_interval: share of the area on which the map is right.
    """

    mapped: np.ndarray
    area: np.ndarray
    area_interval: np.ndarray
    users: np.ndarray
    users_interval: np.ndarray
    producers: np.ndarray
    producers_interval: np.ndarray
    overall: float
    overall_interval: float


def estimate_areas(counts: np.ndarray, mapped: np.ndarray) -> AreaEstimate:
    """Estimate areas and accuracies from points drawn at random within each class of a map.

    The intervals hold for large samples; with few points in a class, or none that is wrong, they are too narrow.

    Args:
        counts: ``(K, K)``, number of points by class on the map (row) and true class (column); at least two in each
            row.
        mapped: ``(K, )``, area of each class on the map, in any unit, above 0.
    """
    counts, mapped = np.asarray(counts, float), np.asarray(mapped, float)
    points, total = counts.sum(axis=1), mapped.sum()
    rate = counts / points[:, None]
    spread = rate * (1 - rate) / (points[:, None] - 1)  # variance of each rate
    right = np.diag(rate)
    area = mapped @ rate
    weighted = mapped[:, None] ** 2 * spread
    with np.errstate(invalid='ignore', divide='ignore'):
        found = mapped * right / area
        others = weighted.sum(axis=0) - np.diag(weighted)
        found_variance = (np.diag(weighted) * (1 - found) ** 2 + found ** 2 * others) / area ** 2
    return AreaEstimate(
        mapped, area, Z * np.sqrt(weighted.sum(axis=0)), right, Z * np.sqrt(np.diag(spread)), found,
        Z * np.sqrt(found_variance), float(mapped @ right / total), float(Z * np.sqrt(np.diag(weighted).sum()) / total))
