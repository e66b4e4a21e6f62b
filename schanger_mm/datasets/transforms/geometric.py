"""Geometric transforms that mmcv and mmseg lack, for single images and their labels."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from schanger_mm.datasets.transforms.channels import by_channels
from schanger_mm.registry import TRANSFORMS
from schanger_mm.utils.errors import SettingError


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
    """Rotate about the centre, scale and shift, keeping the size; the border is filled by reflection.

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
        """Return the (2, 3) matrix from source to target pixels (x, y), about the centre of an (h, w) image."""
        matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), angle, scale)
        matrix[:, 2] += dx * w, dy * h
        return matrix

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(rotate_limit={self.rotate_limit}, shift_limit={self.shift_limit}, '
                f'scale_limit={self.scale_limit}, prob={self.prob})')


@TRANSFORMS.register_module()
class RandomScale(BaseTransform):
    """Resize the image and every label by one factor, drawn uniformly; the proportions stay.

    The image is interpolated bilinearly, labels take the nearest pixel.

    Args:
        scale (tuple[float, float]): range of the factor, above 0.
    """

    def __init__(self, scale: tuple[float, float] = (0.8, 1.2)) -> None:
        if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
            raise SettingError(f'RandomScale.scale: expected (min, max) above 0, found {scale}')
        self.scale = tuple(scale)

    def transform(self, results: dict) -> dict:
        """Draw and apply."""
        factor = np.random.uniform(*self.scale)
        h, w = (max(1, round(factor * side)) for side in results['img'].shape[:2])
        results['img'] = by_channels(lambda image: cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR),
                                     results['img'])
        for key in results.get('seg_fields', []):
            results[key] = cv2.resize(results[key], (w, h), interpolation=cv2.INTER_NEAREST_EXACT)
        results['img_shape'] = (h, w)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(scale={self.scale})'


@TRANSFORMS.register_module()
class PadToSize(BaseTransform):
    """Extend what is smaller at the bottom and right, the image with 0 and every label with 255 (ignore).

    mmcv's ``Pad`` extends ``gt_seg_map`` only, and takes the width first.

    Args:
        size (tuple[int, int]): smallest height and width in px.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        if len(size) != 2 or min(size) < 1:
            raise SettingError(f'PadToSize.size: expected (height, width) of 1 px or more, found {size}')
        self.size = tuple(size)

    def transform(self, results: dict) -> dict:
        """Apply."""
        bottom, right = (max(0, least - side) for least, side in zip(self.size, results['img'].shape[:2]))
        if bottom or right:
            for key in ('img', *results.get('seg_fields', [])):
                sides = ((0, bottom), (0, right), (0, 0))[:results[key].ndim]
                results[key] = np.pad(results[key], sides, constant_values=0 if key == 'img' else 255)
            results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'


def _warp(array: np.ndarray, matrix: np.ndarray, interpolation: int) -> np.ndarray:
    h, w = array.shape[:2]
    return by_channels(lambda layers: cv2.warpAffine(layers, matrix, (w, h), flags=interpolation,
                                                     borderMode=cv2.BORDER_REFLECT_101), np.ascontiguousarray(array))


def _checked(owner: BaseTransform, name: str, value: float, top: float) -> float:
    if not 0 <= value <= top:
        raise SettingError(f'{type(owner).__name__}.{name}: expected 0 to {top}, found {value!r}')
    return value
