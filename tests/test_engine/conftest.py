"""A two-image network of a few weights and a Runner around it."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

SIZE = 24


class ToyNet(BaseModel):
    def __init__(self, width=4, fusion=True):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, width, 1), nn.BatchNorm2d(width))
        self.head = nn.Conv2d(width, 1, 1)
        if fusion:
            self.fusion = nn.Conv2d(width, width, 1)
        nn.init.constant_(self.head.bias, 0.2)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        a, b = torch.stack(list(inputs)).chunk(2, dim=1)
        x = (self.encoder(a) - self.encoder(b)).abs()
        logits = self.head(self.fusion(x) if hasattr(self, 'fusion') else x)
        if mode == 'loss':
            target = torch.stack([s.gt_sem_seg.data for s in data_samples]).float()
            return dict(loss=nn.functional.binary_cross_entropy_with_logits(logits, target))
        for sample, logit in zip(data_samples, logits, strict=True):
            sample.pred_sem_seg = PixelData(data=(logit > 0).to(torch.int64))
        return data_samples


class ToySet(torch.utils.data.Dataset):
    metainfo = dict(classes=('unchanged', 'changed'))

    def __init__(self, folder, names, picture_size=SIZE):
        rng = np.random.default_rng(0)
        self.items = []
        for i, name in enumerate(names):
            paths = [str(folder / date / f'{name}.png') for date in 'AB']
            truth = np.zeros((1, SIZE, SIZE), np.int64)
            truth[0, :8, 4 + i:16] = 1
            images = rng.integers(0, 255, (2, 3, picture_size, picture_size)).astype(np.uint8)
            for path, image in zip(paths, images, strict=True):
                (folder / path).parent.mkdir(exist_ok=True)
                cv2.imwrite(path, image.transpose(1, 2, 0))
            inputs = rng.random((6, SIZE, SIZE)).astype(np.float32)
            inputs[3:] += truth
            self.items.append((inputs, truth, paths))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        inputs, truth, paths = self.items[i]
        sample = SegDataSample(metainfo=dict(img_path=paths, ori_shape=(SIZE, SIZE)))
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(truth))
        return dict(inputs=torch.from_numpy(inputs), data_samples=sample)


@pytest.fixture
def toy_net():
    return ToyNet


@pytest.fixture
def toy_runner(tmp_path):
    """Build a Runner: trains ``iters`` iterations, validates every ``val_interval``."""
    def build(model=None, iters=4, val_interval=2, batch_size=2, names=('one', 'two', 'three'),
              picture_size=SIZE, hooks=(), name='run', train=True, sampler='InfiniteSampler', **kwargs):
        torch.manual_seed(0)
        data = ToySet(tmp_path, names, picture_size)

        def loader(sampler='DefaultSampler'):
            return dict(batch_size=batch_size, dataset=data, num_workers=0,
                        sampler=dict(type=sampler, shuffle=False))

        metric = dict(type='schanger_mm.ChangeMetric')
        parts = dict(val_dataloader=loader(), val_cfg=dict(), val_evaluator=metric,
                     test_dataloader=loader(), test_cfg=dict(), test_evaluator=metric)
        if train:
            parts.update(
                train_dataloader=loader(sampler),
                optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.2, momentum=0.5)),
                train_cfg=dict(type='IterBasedTrainLoop', max_iters=iters, val_interval=val_interval))
        kwargs.setdefault('default_hooks', {})
        kwargs['default_hooks'].setdefault('checkpoint', None)
        kwargs.setdefault('visualizer', dict(type='schanger_mm.ChangeVisualizer',
                                             vis_backends=[dict(type='LocalVisBackend')]))
        kwargs.setdefault('experiment_name', f'{tmp_path.name}_{name}')
        return Runner(model or ToyNet(), work_dir=str(tmp_path / name), custom_hooks=list(hooks),
                      **{'log_level': 'WARNING', **parts, **kwargs})
    return build
