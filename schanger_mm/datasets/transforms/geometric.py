"""Geometry that mmcv and mmseg have no transform for; for single images and their labels."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from schanger_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomTranspose(BaseTransform):
    """Swap rows and columns of the image and of every label.

    Changes ``img`` (H, W, C) to (W, H, C), each of ``seg_fields`` likewise,
    and ``img_shape``.

    Args:
        prob (float): probability, 0 to 1.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = _checked(self, 'prob', prob, 1)

    def transform(self, results: dict) -> dict:
        """Draw and apply."""
        if np.random.rand() < self.prob:
            for key in ('img', *results.get('seg_fields', [])):
                results[key] = np.ascontiguousarray(results[key].swapaxes(0, 1))
            results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'


@TRANSFORMS.register_module()
class RandomAffine(BaseTransform):
    """Rotate about the centre, scale and shift, keeping the size; outside, the picture is mirrored.

    Each value is drawn uniformly from [-limit, limit]. The image is
    interpolated bilinearly, labels take the nearest pixel, and the border is
    ``reflect_101`` for both, so no label is invented for empty ground. As in
    albumentations 1.4.0: ``Rotate(45)`` is ``RandomAffine(rotate_limit=45)``,
    ``ShiftScaleRotate()`` is ``RandomAffine(45, 0.0625, 0.1)``.

    Args:
        rotate_limit (float): degrees, counter-clockwise positive.
        shift_limit (float): fraction of width (x) and height (y), 0 to 1.
        scale_limit (float): scale is 1 + the drawn value; below 1.
        prob (float): probability, 0 to 1.
    """

    def __init__(self, rotate_limit: float = 45, shift_limit: float = 0, scale_limit: float = 0,
                 prob: float = 0.5) -> None:
        self.rotate_limit = _checked(self, 'rotate_limit', rotate_limit, 180)
        self.shift_limit = _checked(self, 'shift_limit', shift_limit, 1)
        self.scale_limit = _checked(self, 'scale_limit', scale_limit, 0.99)
        self.prob = _checked(self, 'prob', prob, 1)

    def transform(self, results: dict) -> dict:
        """Draw and apply."""
        if np.random.rand() < self.prob:
            angle, scale, dx, dy = np.random.uniform(-1, 1, 4) * (
                self.rotate_limit, self.scale_limit, self.shift_limit, self.shift_limit)
            h, w = results['img'].shape[:2]
            matrix = self.matrix(h, w, angle, 1 + scale, dx, dy)
            results['img'] = _warp(results['img'], matrix, cv2.INTER_LINEAR)
            for key in results.get('seg_fields', []):
                results[key] = _warp(results[key], matrix, cv2.INTER_NEAREST)
        return results

    @staticmethod
    def matrix(h: int, w: int, angle: float, scale: float, dx: float, dy: float) -> np.ndarray:
        """(2, 3) matrix from source to target pixels (x, y), about the centre of an (h, w) image."""
        matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), angle, scale)
        matrix[:, 2] += dx * w, dy * h
        return matrix

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(rotate_limit={self.rotate_limit}, shift_limit={self.shift_limit}, '
                f'scale_limit={self.scale_limit}, prob={self.prob})')


def _warp(array: np.ndarray, matrix: np.ndarray, interpolation: int) -> np.ndarray:
    h, w = array.shape[:2]
    array = np.ascontiguousarray(array)
    return cv2.warpAffine(array, matrix, (w, h), flags=interpolation, borderMode=cv2.BORDER_REFLECT_101)


def _checked(owner: BaseTransform, name: str, value: float, top: float) -> float:
    if not 0 <= value <= top:
        raise ValueError(f'{type(owner).__name__}.{name}: expected 0 to {top}, found {value!r}')
    return value
