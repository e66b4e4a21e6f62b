"""Compare an exported file with the network that it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from schanger_mm.deploy.errors import DeployError

TOLERANCE = 1e-4
"""Largest accepted difference of a probability."""
SIZES = (2, 64, 96), (1, 37, 100), (3, 48, 48)
"""Images, height and width of the random pairs."""

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray | Sequence[np.ndarray]]


@dataclass(frozen=True)
class Pair:
    """Images for the comparison.

    Args:
        name: for messages.
        before, after: ``(N, C, H, W)`` float32 in 0..255, RGB if C is 3.
    """

    name: str
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class Compared:
    """Largest difference of the probabilities of a pair."""

    name: str
    difference: float

    def __str__(self) -> str:
        return f'{self.name}: {self.difference:.1e}'


def random_pairs(mean: Sequence[Sequence[float]] = ((127.5, ) * 3, ) * 2,
                 std: Sequence[Sequence[float]] = ((63.75, ) * 3, ) * 2) -> list[Pair]:
    """Draw pairs of several sizes and batches, one not a multiple of 16.

    Args:
        mean, std: of each date and band, in 0..255; values are within two standard deviations. A band may be dark: of
            Sentinel-2's cirrus, 255 is a hundred deviations away, where a network amplifies any rounding.
    """
    rng = np.random.default_rng(0)
    middle, width_of = (np.array(values, np.float32)[:, None, :, None, None] for values in (mean, std))
    pairs = []
    for count, height, width in SIZES:
        drawn = rng.random((2, count, middle.shape[2], height, width), np.float32)
        dates = np.clip(middle + 2 * width_of * (2 * drawn - 1), 0, 255)
        pairs.append(Pair(f'random pair, {count} x {height} x {width} px', *dates))
    return pairs


def real_pair(name: str, before: np.ndarray, after: np.ndarray, side: int) -> Pair:
    """Crop the central ``side`` px of two images ``(H, W, C)``, RGB if C is 3.

    Args:
        name: for messages.
        before, after: the images, of the same size.
        side: larger images are cropped.

    Raises:
        DeployError: the sizes differ.
    """
    if before.shape != after.shape:
        raise DeployError(f'{name}: {before.shape[1]} x {before.shape[0]} px and {after.shape[1]} x {after.shape[0]} '
                          'px; expected one size.')
    top, left = (max(0, (size - side) // 2) for size in before.shape[:2])
    images = [image[top:top + side, left:left + side] for image in (before, after)]
    return Pair(name, *(np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) for image in images))


def compare(predict: Predict, reference: Predict, pairs: Iterable[Pair]) -> list[Compared]:
    """Predict every pair with both: change, and classes if the network has some.

    Raises:
        DeployError: a probability differs by more than 1e-4, or is not a number.
    """
    done = []
    for pair in pairs:
        found, expected = (_outputs(one(pair.before, pair.after)) for one in (predict, reference))
        differences = [float(np.abs(one - other).max()) for one, other in zip(found, expected, strict=True)]
        difference = float(np.max(differences))  # nan if any is
        if not difference <= TOLERANCE:  # also if it is nan
            raise DeployError(f'{pair.name}: a probability differs by {difference:.2e} from PyTorch, more than '
                              f'{TOLERANCE:.0e}; nothing was written. The versions of torch and of the backend may not '
                              'fit together: install those of requirements/constraints.txt.')
        done.append(Compared(pair.name, difference))
    return done


def _outputs(found: np.ndarray | Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    return [found] if isinstance(found, np.ndarray) else found
