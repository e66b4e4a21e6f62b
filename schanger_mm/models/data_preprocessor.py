"""Normalise packed samples into a batch, with separate statistics per date."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.structures import PixelData
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from schanger_mm.registry import MODELS
from schanger_mm.utils.band_order import COLOUR_BANDS
from schanger_mm.utils.errors import SettingError

CLASSES = ('gt_sem_seg_from', 'gt_sem_seg_to')


@MODELS.register_module()
class BandsPreProcessor(SegDataPreProcessor):
    """mmseg's preprocessor for single images of any number of bands; mmengine's own takes one or three means.

    Args:
        mean, std: one number per band, in the order of the file.
        **kwargs: those of mmseg's :class:`SegDataPreProcessor`.

    Raises:
        SettingError: different numbers of means and stds, or a std that is not above 0.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], **kwargs):
        super().__init__(**kwargs)
        if len(mean) != len(std) or not mean or min(std) <= 0:
            raise SettingError(f'BandsPreProcessor: {len(mean)} means and {len(std)} stds; expected one of each per '
                               'band, stds above 0.')
        self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self._enable_normalize = True

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise, pad and stack, as mmseg does.

        Raises:
            SettingError: an image has another number of bands.
        """
        for image in data['inputs']:
            if image.shape[-3] != len(self.mean):
                raise SettingError(f'BandsPreProcessor has statistics of {len(self.mean)} bands but got an image of '
                                   f'{image.shape[-3]}; give mean and std of each band.')
        return super().forward(data, training)


@MODELS.register_module()
class BiTemporalPreProcessor(SegDataPreProcessor):
    """mmseg's preprocessor for two images stacked on channels, date A first.

    Args:
        mean: 2C means, date A's first, in the order of the channels after
            conversion (RGB).
        std: 2C standard deviations in that order.
        bgr_to_rgb: reverse the channels within each date, of three bands; others are in the order of the file.
        swap_prob: probability, in training, that the dates of a pair are
            swapped, after normalisation, so that an image is normalised with
            the statistics of its own date. The class labels of the dates
            (``gt_sem_seg_from``, ``gt_sem_seg_to``) swap with them.
        size_divisor: training batches are padded at the bottom and right to a
            multiple of it, labels with ``seg_pad_val``, unless ``size`` is
            given. In prediction the detector pads.
        **kwargs: those of mmseg's :class:`SegDataPreProcessor`.
    """

    def __init__(self,
                 mean: Sequence[float],
                 std: Sequence[float],
                 bgr_to_rgb: bool = True,
                 swap_prob: float = 0.0,
                 size_divisor: int = 16,
                 **kwargs):
        super().__init__(size_divisor=None if kwargs.get('size') else size_divisor, **kwargs)
        if len(mean) != len(std) or len(mean) % 2 or not mean or min(std) <= 0:
            raise SettingError(
                f'BiTemporalPreProcessor: {len(mean)} means and {len(std)} stds; expected 2C of each, date A '
                'first, stds above 0.')
        self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        if bgr_to_rgb and len(mean) // 2 not in (1, COLOUR_BANDS):
            raise SettingError(f'BiTemporalPreProcessor.bgr_to_rgb: expected False for {len(mean) // 2} bands, which '
                               'are in the order of the file; only three are B, G, R.')
        self.bgr_to_rgb = bgr_to_rgb
        self.swap_prob = swap_prob
        self._enable_normalize = False  # done here, per date

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise, maybe swap the dates, pad and stack.

        Args:
            data: ``inputs``: list of ``(2C, H, W)`` tensors, and
                ``data_samples``.
            training: whether padding and swapping apply.

        Raises:
            SettingError: channels and statistics do not match, or images of one
                test batch differ in size.
        """
        for image in data['inputs']:
            self._check(image)
        shapes = {image.shape for image in data['inputs']}
        if not training and len(shapes) > 1:
            raise SettingError(
                f'a test batch holds images of different sizes {sorted({tuple(shape[1:]) for shape in shapes})}; '
                'set batch_size=1 in val_dataloader (validation) or test_dataloader (test).')
        samples = data.get('data_samples')
        if not self._at_once(shapes, training, samples):
            done = [self._normalise(one[None], training) for one in self.cast_data(data['inputs'])]
            result = super().forward({**data, 'inputs': [image for images, _ in done for image in images]}, training)
            if training and samples is not None:
                _finish_classes(result['data_samples'], [one for _, swapped in done for one in swapped],
                                self.seg_pad_val)
            return result
        inputs, swapped = self._normalise(self._to_device(data['inputs']), training)
        if not training:
            return dict(inputs=inputs, data_samples=samples and self.cast_data(list(samples)))
        moved = self._move_labels(samples or [])
        _finish_classes(moved, swapped, self.seg_pad_val)
        return dict(inputs=inputs, data_samples=moved)

    def _check(self, image: torch.Tensor) -> None:
        if image.ndim != 3:
            raise SettingError('BiTemporalPreProcessor got the views of an unlabelled pair, which only a '
                               'semi-supervised model takes; the config needs semi=dict(type=UniMatch).')
        if image.shape[0] != self.mean.shape[0]:
            raise SettingError(
                f'BiTemporalPreProcessor has statistics for {self.mean.shape[0]} channels (both dates) but got '
                f'an input of {image.shape[0]}; give mean and std of 2C values, date A first.')

    def _at_once(self, shapes: set[torch.Size], training: bool, samples: Sequence[SegDataSample] | None) -> bool:
        """Return whether a batch is normalised and copied as a whole."""
        if len(shapes) > 1:
            return False
        return samples is not None and self._fits(*shapes) if training else not self.test_cfg

    def _fits(self, shape: torch.Size) -> bool:
        """Return whether images of this shape need no padding and nothing else that mmseg would do to each of them."""
        divisor = self.size_divisor or 0
        return divisor > 0 and not (shape[1] % divisor or shape[2] % divisor) and self.batch_augments is None

    def _normalise(self, batch: torch.Tensor, training: bool) -> tuple[torch.Tensor, list[bool]]:
        """Normalise ``(N, 2C, H, W)``, and maybe swap the dates of each pair; say of which pairs."""
        swaps = [False] * len(batch)
        batch = batch.float().unflatten(1, (2, -1))
        if self.bgr_to_rgb:
            batch = batch.flip(2)
        batch = (batch - self.mean.unflatten(0, (2, -1))) / self.std.unflatten(0, (2, -1))
        if training and self.swap_prob > 0:
            swaps = (torch.rand(len(batch)) < self.swap_prob).tolist()
            if any(swaps):
                orders = ((1, 0) if swap else (0, 1) for swap in swaps)
                batch = torch.stack([pair[date] for pair, order in zip(batch, orders) for date in order])
        return batch.view(-1, *self.mean.shape[:1], *batch.shape[-2:]), swaps

    def _to_device(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Stack on the host, and copy to a GPU without waiting for it."""
        stacked = torch.stack(list(tensors))
        if self.device.type != 'cuda' or stacked.is_cuda:
            return stacked.to(self.device)
        return stacked.pin_memory().to(self.device, non_blocking=True)

    def _move_labels(self, samples: Sequence[SegDataSample]) -> list[SegDataSample]:
        """Copy the labels of samples of one size to the device by one call, into new samples."""
        if any(sample.keys() != ['gt_sem_seg'] for sample in samples):
            moved = self.cast_data(list(samples))
        else:
            labels = self._to_device([sample.gt_sem_seg.data for sample in samples])
            moved = [sample.new(gt_sem_seg=PixelData(data=label))
                     for sample, label in zip(samples, labels)]
        for sample in moved:  # what mmseg records about padding
            shape = sample.gt_sem_seg.shape if 'gt_sem_seg' in sample else None
            sample.set_metainfo(dict(img_shape=shape, pad_shape=shape, padding_size=(0, 0, 0, 0)))
        return moved


def _finish_classes(samples: Sequence[SegDataSample], swapped: Sequence[bool], pad_value: int) -> None:
    """Pad class labels as ``gt_sem_seg``, which is all that mmseg pads, and swap those of swapped dates, in place."""
    for sample, swap in zip(samples, swapped):
        if not all(key in sample for key in CLASSES):
            continue
        maps = [sample.get(key).data for key in CLASSES]
        if 'gt_sem_seg' in sample:
            height, width = sample.gt_sem_seg.shape
            maps = [F.pad(one, (0, width - one.shape[-1], 0, height - one.shape[-2]), value=pad_value) for one in maps]
        for key, one in zip(CLASSES, reversed(maps) if swap else maps):
            sample.set_data({key: PixelData(data=one)})
