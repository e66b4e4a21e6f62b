"""Pack a pair for the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs

from schanger_mm.registry import TRANSFORMS
from schanger_mm.utils.errors import SettingError

META_KEYS = ('name', 'img_path', 'seg_map_path', 'seg_map_path_from', 'seg_map_path_to', 'ori_shape', 'img_shape',
             'pad_shape', 'scale_factor', 'flip', 'flip_direction', 'reduce_zero_label')


@TRANSFORMS.register_module()
class PackBiTemporalInputs(PackSegInputs):
    """mmseg's ``PackSegInputs`` for a pair.

    Required key: ``img``, a list of two (H, W, C) arrays; used if there:
    ``gt_seg_map`` (H, W). Result: ``inputs`` (2C, H, W), date A first, and
    ``data_samples``, a ``SegDataSample`` with ``gt_sem_seg`` (1, H, W) int64
    and the metainfo ``name``, ``img_path`` (list of two), ``seg_map_path``,
    ``ori_shape``, ``img_shape``, ``pad_shape``, ``scale_factor``, ``flip``,
    ``flip_direction``. ``gt_seg_map_from`` and ``gt_seg_map_to``, if there,
    become ``gt_sem_seg_from`` and ``gt_sem_seg_to``. The last four have neutral values if no transform
    has set them.

    Args:
        meta_keys (Sequence[str]): as in ``PackSegInputs``.

    Raises:
        ValueError: not two images, or images and labels of different size.
    """

    def __init__(self, meta_keys: Sequence[str] = META_KEYS) -> None:
        super().__init__(meta_keys=meta_keys)

    def transform(self, results: dict) -> dict:
        """Return ``inputs`` and ``data_samples``."""
        images = results['img']
        if not isinstance(images, (list, tuple)) or len(images) != 2:
            raise SettingError(f'PackBiTemporalInputs: expected `img` to be a list of two images, '
                               f'found {type(images)}; for single images use mmseg.PackSegInputs.')
        arrays = {'img[0]': images[0], 'img[1]': images[1]}
        arrays.update((key, results[key]) for key in results.get('seg_fields', []))
        if len({array.shape[:2] for array in arrays.values()}) > 1 or images[0].shape != images[1].shape:
            shapes = ', '.join(f'{key} {array.shape}' for key, array in arrays.items())
            raise SettingError(f'PackBiTemporalInputs: expected one size for both dates and the labels of '
                               f'{results.get("img_path")}, found {shapes}; geometric transforms belong into '
                               'ForBothDates.')
        h, w = images[0].shape[:2]
        unchanged = dict(pad_shape=(h, w), scale_factor=(1.0, 1.0), flip=False, flip_direction=None)
        packed = super().transform({**unchanged, **results, 'img': np.concatenate(images, axis=2)})
        for date in ('from', 'to'):
            if (classes := results.get(f'gt_seg_map_{date}')) is not None:
                data = torch.from_numpy(classes.astype(np.int64))[None]
                packed['data_samples'].set_data({f'gt_sem_seg_{date}': PixelData(data=data)})
        return packed
