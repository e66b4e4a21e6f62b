"""Predictions of change and classes: what detectors and exported networks share."""

from __future__ import annotations

from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

DATES = ('_from', '_to')
"""Endings of the fields of date A and date B."""


def split_logits(logits: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split ``(N, C + 2 K, H, W)`` into the logits of change, and of the classes of date A and of date B.

    Args:
        logits: as ``encode_decode`` returns them.
        classes: K; with 0 the classes are empty.
    """
    change = logits.shape[1] - 2 * classes
    return logits[:, :change], logits[:, change:change + classes], logits[:, change + classes:]


class SemanticOutputs:
    """Mixin for mmseg's ``EncoderDecoder``: the logits of change and classes run through it as channels of one tensor.

    Attributes:
        semantic_classes: number of classes of each date; 0: change only, as mmseg has it.
    """

    semantic_classes = 0

    def slide_inference(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Average the logits of windows, ``(N, C + 2 K, H, W)``."""
        change = self.out_channels
        self.out_channels = change + 2 * self.semantic_classes  # mmseg sums into a map of so many channels
        try:
            return super().slide_inference(inputs, batch_img_metas)  # type: ignore[misc]
        finally:
            self.out_channels = change

    def postprocess_result(self, seg_logits: Tensor, data_samples: list | None = None) -> list:
        """Make samples as mmseg does: padding and flips undone, at the size of the original image.

        With classes they also have ``seg_logits_from`` and ``seg_logits_to`` ``(K, H, W)``, and ``pred_sem_seg_from``
        and ``pred_sem_seg_to`` ``(1, H, W)``: the class of every pixel from 0 to K - 1, changed or not.
        """
        if not self.semantic_classes:
            return super().postprocess_result(seg_logits, data_samples)  # type: ignore[misc]
        change, *classes = split_logits(seg_logits, self.semantic_classes)
        if data_samples is None:
            data_samples = [SegDataSample(metainfo=dict(ori_shape=tuple(seg_logits.shape[-2:]))) for _ in seg_logits]
        for date, logits in zip(DATES, classes):
            data_samples = super().postprocess_result(logits, data_samples)  # type: ignore[misc]
            for sample in data_samples:
                sample.set_data({f'{key}{date}': PixelData(data=sample.get(key).data)
                                 for key in ('seg_logits', 'pred_sem_seg')})
        return super().postprocess_result(change, data_samples)  # type: ignore[misc]
