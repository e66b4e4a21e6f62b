"""Test-time augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from schanger_mm.registry import MODELS


@MODELS.register_module()
class ChangeTTAModel(BaseTTAModel):
    """Average the probabilities of flipped and rescaled views of an image or pair.

    Takes the output of a pipeline with ``TestTimeAug``. The network undoes each
    view's flip and scale; here the probabilities are averaged, and pixels
    strictly above the head's threshold are changed, or with two channels those
    for which changed is more probable. Class probabilities of both dates are
    averaged, too. mmseg's ``SegTTAModel`` applies the sigmoid a second time
    if there is one channel, which puts every pixel at 0.5 or above.

    Truth and metainfo are those of the first view, which should be the unchanged
    image. The state dict is the network's own, so a checkpoint fits with
    and without this wrapper.

    Args:
        module: config of the network, any mmseg segmentor.
        data_preprocessor: config of its preprocessor, if ``module`` has none.
    """

    def test_step(self, data: dict) -> list[SegDataSample]:
        """Predict every view and merge them.

        Args:
            data: ``inputs`` and ``data_samples``, for each view a list of all
                images of the batch.

        Returns:
            One sample per image, see :meth:`merge_preds`.
        """
        for view in data['data_samples']:
            for sample in view:
                if sample.get('flip') and sample.get('flip_direction') == 'diagonal':
                    # mmseg undoes one axis only; merge_preds undoes the other
                    sample.set_metainfo(dict(flip_direction='vertical', still_flipped=True))
        return super().test_step(data)

    def merge_preds(self, data_samples_list: Sequence[Sequence[SegDataSample]]) -> list[SegDataSample]:
        """Merge each image's views into its first sample.

        Args:
            data_samples_list: for each image its views, with ``seg_logits`` of
                ``(C, H, W)`` at the size of the original image: probabilities
                if C is 1, else logits, as mmseg makes them.

        Returns:
            One sample per image; ``pred_sem_seg`` ``(1, H, W)`` and ``seg_logits`` ``(C, H, W)`` as of a single view.
        """
        return [self._merge(views) for views in data_samples_list]

    def _merge(self, views: Sequence[SegDataSample]) -> SegDataSample:
        probability = torch.stack([self._probability(view) for view in views]).mean(dim=0)
        if len(probability) == 1:
            logits, prediction = probability, (probability > self.module.decode_head.threshold).to(probability)
        else:  # the softmax of these logits is the average
            logits, prediction = probability.log(), probability.argmax(dim=0, keepdim=True)
        merged = views[0]
        for date in ('_from', '_to'):
            if f'seg_logits{date}' in merged:  # classes
                mean = torch.stack([self._probability(view, f'seg_logits{date}') for view in views]).mean(dim=0)
                merged.set_data({f'seg_logits{date}': PixelData(data=mean.log()),
                                 f'pred_sem_seg{date}': PixelData(data=mean.argmax(dim=0, keepdim=True))})
        merged.set_data(dict(seg_logits=PixelData(data=logits), pred_sem_seg=PixelData(data=prediction)))
        return merged

    @staticmethod
    def _probability(view: SegDataSample, key: str = 'seg_logits') -> Tensor:
        values = view.get(key).data
        if view.get('still_flipped'):
            values = values.flip(-1)
        return values if len(values) == 1 else values.softmax(dim=0)

    def state_dict(self, *args, **kwargs) -> dict:
        """Return the network's state dict."""
        return self.module.state_dict(*args, **kwargs)
