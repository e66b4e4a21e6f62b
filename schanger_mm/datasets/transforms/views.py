"""Weak and strong views of unlabelled pairs.

Source: Yang et al., "Revisiting Weak-to-Strong Consistency in Semi-Supervised Semantic Segmentation", CVPR 2023,
arXiv 2208.09910.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose
from mmengine.structures import PixelData

from schanger_mm.datasets.transforms.formatting import PackBiTemporalInputs
from schanger_mm.datasets.transforms.loading import LoadChangeLabel
from schanger_mm.datasets.transforms.private_draws import seed_private_generators
from schanger_mm.registry import TRANSFORMS
from schanger_mm.utils.errors import SettingError

TRUTH = 'truth_map'


@TRANSFORMS.register_module()
class AddIgnoreMask(BaseTransform):
    """Add the mask of an unlabelled pair, 0 everywhere, in the place of a label.

    What pads or warps labels then marks the pixels that show no ground with
    255, and they count in no loss. Added: ``gt_seg_map`` (H, W) uint8, its name
    in ``seg_fields``.
    """

    def transform(self, results: dict) -> dict:
        """Add the mask."""
        results['gt_seg_map'] = np.zeros(results['img_shape'][:2], np.uint8)
        results['seg_fields'] = [*results.get('seg_fields', []), 'gt_seg_map']
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class LoadTruth(LoadChangeLabel):
    """Load the label of an unlabelled pair as ``truth_map``, by which pseudo-labels are scored in the log.

    A sample without ``seg_map_path``, which is what a data set with
    ``labelled=False`` gives, stays as it is. Arguments and errors are those of
    :class:`LoadChangeLabel`.
    """

    def transform(self, results: dict) -> dict:
        """Add the mask, if there is one."""
        if results.get('seg_map_path') is None:
            return results
        loaded = super().transform({key: value for key, value in results.items() if key != 'seg_fields'})
        return {**results, TRUTH: loaded['gt_seg_map'], 'seg_fields': [*results.get('seg_fields', []), TRUTH]}


@TRANSFORMS.register_module()
class StrongViews(BaseTransform):
    """Add strong views: the transforms run on each date of each view with draws of its own.

    Required key: ``img``, a list of two (H, W, C) arrays, the weak view, which
    stays as it is. Added: ``views``, a list with a list of two such arrays for
    every view.

    Args:
        transforms (Sequence[dict | Callable]): photometric transforms of single images.
        views (int): number of strong views.

    Raises:
        SettingError: ``img`` is not a list of two, or a transform changes the size.
    """

    def __init__(self, transforms: Sequence[dict | Callable], views: int = 2) -> None:
        self.transforms = Compose(transforms)
        self.views = views

    def transform(self, results: dict) -> dict:
        """Add the views."""
        images = results['img']
        if not isinstance(images, (list, tuple)) or len(images) != 2:
            raise SettingError(f'StrongViews: expected `img` to be a list of two images, found {type(images)}; load '
                               'them with LoadBiTemporalImages.')
        results['views'] = [[self._change(image) for image in images] for _ in range(self.views)]
        return results

    def _change(self, image: np.ndarray) -> np.ndarray:
        seed_private_generators(self.transforms.transforms)
        changed = self.transforms(dict(img=image.copy(), img_shape=image.shape[:2], seg_fields=[]))
        if changed is None or changed['img'].shape != image.shape:
            found = 'dropped it' if changed is None else f'made {changed["img"].shape} of {image.shape}'
            raise SettingError(f'StrongViews: expected transforms that change colours only, but they {found}; geometry '
                               'belongs into the ForBothDates before it.')
        return changed['img']

    def __repr__(self) -> str:
        return f'{type(self).__name__}(transforms={self.transforms}, views={self.views})'


@TRANSFORMS.register_module()
class PackViews(PackBiTemporalInputs):
    """Pack the views of an unlabelled pair.

    As :class:`PackBiTemporalInputs`, but ``inputs`` is ``(1 + V, 2C, H, W)``: the
    weak view, then the V strong ones. ``gt_sem_seg`` is the ignore mask (0, or
    255 where nothing counts); ``truth`` is what :class:`LoadTruth` loaded.

    Args:
        meta_keys (Sequence[str]): as in mmseg's ``PackSegInputs``.

    Raises:
        SettingError: no views.
    """

    def transform(self, results: dict) -> dict:
        """Return ``inputs`` and ``data_samples``."""
        if not results.get('views'):
            raise SettingError('PackViews: expected `views`, found none; StrongViews, which makes them, comes before '
                               'it.')
        packed = super().transform(results)
        strong = (np.concatenate(view, axis=2).transpose(2, 0, 1) for view in results['views'])
        packed['inputs'] = torch.stack([packed['inputs'], *(torch.from_numpy(view.copy()) for view in strong)])
        if TRUTH in results:
            truth = torch.from_numpy(results[TRUTH].astype(np.int64))
            packed['data_samples'].truth = PixelData(data=truth[None])
        return packed
