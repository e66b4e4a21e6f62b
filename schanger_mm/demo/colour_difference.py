"""The colour-difference baseline: how much of a bi-temporal data set differencing alone solves.

A data set on which this scores high is useless for change detection. The score is deliberately an upper
bound: the threshold is the best one for the labels it is scored on.
"""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from schanger_mm.datasets.reading import read_header
from schanger_mm.utils.errors import MissingFileError, SettingError

SMOOTHING = 5
"""Side of the box filter of the smoothed variant, pixels."""


def colour_difference(a: np.ndarray, b: np.ndarray, smooth: bool = False) -> np.ndarray:
    """Return the colour distance of two images after matching B's per-channel mean and spread to A's.

    Args:
        a: Image of date A, (H, W, C).
        b: Image of date B, the same shape.
        smooth: Average the map over 5x5 pixels.

    Returns:
        Map (H, W) float32, grey levels.

    Raises:
        ValueError: If the images are not (H, W, C) of the same shape.
    """
    if a.ndim != 3 or a.shape != b.shape:
        raise SettingError(
            f'colour_difference expects two images of one shape (H, W, C), found {a.shape} and {b.shape}: '
            'resample one date onto the other first'
        )
    a, b = a.astype(np.float32), b.astype(np.float32)
    spread_a, spread_b = a.std(axis=(0, 1)), b.std(axis=(0, 1))
    gain = np.divide(spread_a, spread_b, out=np.ones_like(spread_b), where=spread_b > 0)
    difference = np.linalg.norm((b - b.mean(axis=(0, 1))) * gain - (a - a.mean(axis=(0, 1))), axis=2)
    if smooth:
        difference = cv2.blur(difference, (SMOOTHING, SMOOTHING), borderType=cv2.BORDER_REFLECT)
    return difference


def best_f1(maps: Iterable[np.ndarray], labels: Iterable[np.ndarray]) -> tuple[float, float]:
    """Return the highest F1 that any single threshold reaches over all maps together, found exactly.

    Between the values of two changed pixels, a lower threshold only adds false alarms, so only the values of
    changed pixels need to be tried: ``F1(t) = 2 TP(t) / (predicted(t) + changed)``, with ``map >= t`` predicted
    as changed.

    Args:
        maps: Change scores, each (H, W).
        labels: For each map, the same shape, nonzero = changed.

    Returns:
        (F1 in percent, threshold). Without any changed pixel: (0.0, inf).

    Raises:
        ValueError: If counts or shapes differ, or a score is not finite.
    """
    changed, unchanged = [np.empty(0, np.float32)], [np.empty(0, np.float32)]
    for index, (scores, label) in enumerate(zip(maps, labels, strict=True)):
        if scores.shape != label.shape:
            raise SettingError(
                f'map {index} has shape {scores.shape} but its label {label.shape}: they must agree'
            )
        if not np.isfinite(scores).all():
            raise SettingError(f'map {index} holds NaN or infinite scores: mask or fill those pixels first')
        changed.append(scores[label != 0])
        unchanged.append(scores[label == 0])
    positive, negative = np.sort(np.concatenate(changed)), np.sort(np.concatenate(unchanged))
    if not positive.size:
        return 0.0, float('inf')
    hits = positive.size - np.searchsorted(positive, positive, side='left')
    alarms = negative.size - np.searchsorted(negative, positive, side='left')
    f1 = 2 * hits / (hits + alarms + positive.size)
    best = int(np.argmax(f1))
    return 100.0 * float(f1[best]), float(positive[best])


def _read(path: Path, flags: int) -> np.ndarray:
    if not path.is_file():
        raise MissingFileError(
            f'{path} is missing: every image in A needs a file of that name in B and label'
        )
    image = None
    if path.stat().st_size:
        read_header(str(path))  # rejects an image that declares too many pixels
        # pixels as stored, as training and testing read them
        image = cv2.imdecode(np.fromfile(path, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise SettingError(f'{path} cannot be read as an image: it is empty, cut short or not a picture')
    return image


def _read_label(path: Path) -> np.ndarray:
    label = _read(path, cv2.IMREAD_GRAYSCALE)
    strange = sorted(set(np.unique(label).tolist()) - {0, 1, 255})
    if strange:
        raise SettingError(f'{path}: expected the values 0 and 255 (or 0 and 1), also found {strange[:5]}')
    return label


def colour_difference_baseline(source: str | Path | Iterable[tuple]) -> dict:
    """Return the best F1 of differencing on a split, the better of the plain and the smoothed map.

    Args:
        source: A split folder with ``A``, ``B`` and ``label`` holding PNGs of equal names, or an iterable of
            (path A, path B, path label).

    Returns:
        ``dict(F1=percent, threshold=grey levels, smooth=bool)``.

    Raises:
        FileNotFoundError: If the folder holds no pair or a file is missing.
        ValueError: If a file cannot be read, a label holds other values, or shapes differ.
    """
    if isinstance(source, str | Path):
        folder = Path(source)
        names = sorted(path.name for path in (folder / 'A').glob('*.png'))
        triples = [tuple(folder / part / name for part in ('A', 'B', 'label')) for name in names]
    else:
        folder, triples = None, [tuple(map(Path, triple)) for triple in source]
    if not triples:
        raise MissingFileError(
            f'no pair to score: expected PNGs in {folder / "A" if folder else "the given paths"}'
        )
    labels = [_read_label(label) for _, _, label in triples]
    results = []
    for smooth in (False, True):
        maps = (
            colour_difference(_read(a, cv2.IMREAD_COLOR), _read(b, cv2.IMREAD_COLOR), smooth)
            for a, b, _ in triples
        )
        score, threshold = best_f1(maps, labels)
        results.append(dict(F1=score, threshold=threshold, smooth=smooth))
    return max(results, key=lambda result: result['F1'])
