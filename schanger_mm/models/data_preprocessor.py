"""From packed samples to a normalised batch, with each date's own statistics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.data_preprocessor import SegDataPreProcessor

from schanger_mm.registry import MODELS


@MODELS.register_module()
class BiTemporalPreProcessor(SegDataPreProcessor):
    """mmseg's preprocessor for two images stacked on channels, date A first.

    Args:
        mean: 2C means, date A's first, in the order of the channels after
            conversion (RGB).
        std: 2C standard deviations in that order.
        bgr_to_rgb: reverse the channels within each date.
        swap_prob: probability, in training, that a pair's dates change places.
            It happens after normalisation, so an image keeps the statistics of
            the date it was taken at.
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
            raise ValueError(
                f'BiTemporalPreProcessor: {len(mean)} means and {len(std)} stds; expected 2C of each, date A '
                'first, stds above 0.')
        self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)
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
            ValueError: channels and statistics do not match, or images of one
                test batch differ in size.
        """
        inputs = [self._normalise(x, training) for x in self.cast_data(data['inputs'])]
        if not training and len({x.shape for x in inputs}) > 1:
            raise ValueError(
                f'a test batch holds images of different sizes {sorted({tuple(x.shape[1:]) for x in inputs})}; '
                'set batch_size=1 in test_dataloader.')
        return super().forward({**data, 'inputs': inputs}, training)

    def _normalise(self, image: torch.Tensor, training: bool) -> torch.Tensor:
        if image.shape[0] != self.mean.shape[0]:
            raise ValueError(
                f'BiTemporalPreProcessor has statistics for {self.mean.shape[0]} channels (both dates) but got '
                f'an input of {image.shape[0]}; give mean and std of 2C values, date A first.')
        dates = image.float().chunk(2)
        if self.bgr_to_rgb:
            dates = [date.flip(0) for date in dates]
        dates = ((torch.cat(list(dates)) - self.mean) / self.std).chunk(2)
        if training and self.swap_prob > 0 and torch.rand(()).item() < self.swap_prob:
            dates = dates[::-1]
        return torch.cat(dates)
