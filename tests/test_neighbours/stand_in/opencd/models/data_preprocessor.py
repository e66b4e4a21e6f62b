"""Statistics of both dates."""

import torch
from mmengine.model import BaseDataPreprocessor
from mmseg.utils import stack_batch

from opencd.registry import MODELS


@MODELS.register_module()
class DualInputSegDataPreProcessor(BaseDataPreprocessor):
    """Means and stds of 2C channels; one image at a time in tests."""

    def __init__(self, mean=None, std=None, size=None, size_divisor=None, pad_val=0, seg_pad_val=255,
                 bgr_to_rgb=False, batch_augments=None, test_cfg=None):
        super().__init__()
        self.padding = dict(size=size, size_divisor=size_divisor, pad_val=pad_val, seg_pad_val=seg_pad_val)
        self.bgr_to_rgb, self.test_cfg = bgr_to_rgb, test_cfg
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), False)

    def forward(self, data, training=False):
        data = self.cast_data(data)
        inputs, samples = data['inputs'], data.get('data_samples')
        if self.bgr_to_rgb and inputs[0].size(0) == 6:
            inputs = [image[[2, 1, 0, 5, 4, 3]] for image in inputs]
        inputs = [(image.float() - self.mean) / self.std for image in inputs]
        if training:
            inputs, samples = stack_batch(inputs, samples, **self.padding)
            return dict(inputs=inputs, data_samples=samples)
        assert len(inputs) == 1, 'Batch inference is not support currently'
        if self.test_cfg:
            inputs, padded = stack_batch(inputs, None, **{**self.padding, 'size': None, **self.test_cfg})
            for sample, info in zip(samples, padded):
                sample.set_metainfo(info)
        else:
            inputs = torch.stack(inputs)
        return dict(inputs=inputs, data_samples=samples)
