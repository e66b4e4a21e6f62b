"""What the monitor of a self-supervised training logs, draws, refuses and leaves alone."""

import random

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.structures import SegDataSample
from PIL import Image

from schanger_mm.engine.hooks import FeatureMonitorHook

SIZE = 32


class Encoder(BaseModel):
    """Features at stride 4 that show the image, or noise."""

    def __init__(self, noise=False, scale=1.0):
        super().__init__(SegDataPreProcessor(mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=True, size_divisor=16))
        self.scale = torch.nn.Parameter(torch.tensor(scale))
        self.dropout = torch.nn.Dropout(0.9)
        self.noise = noise
        self.trained = []

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            self.trained.append(self.training)
            return dict(loss=0 * self.scale * torch.rand(1).sum())
        x = torch.nn.functional.avg_pool2d(self.dropout(inputs), 4) * self.scale
        if self.noise:
            generator = torch.Generator().manual_seed(0)
            x = torch.randn(x.shape, generator=generator)
        return torch.cat([x, x], dim=1)


class MonitoredImages(torch.utils.data.Dataset):
    """Bright squares, in B, G, R order, on a dark background; drawing a sample takes random numbers."""

    def __init__(self, sizes=((SIZE, SIZE), ) * 6, blue=40, opposite=False):
        self.sizes, self.blue, self.opposite = sizes, blue, opposite

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, index):
        random.random(), np.random.rand(), torch.rand(1)
        height, width = self.sizes[index]
        mask = torch.zeros(1, height, width, dtype=torch.long)
        mask[:, 8:20, 4:16] = 1
        image = (40 + 160 * mask).expand(3, -1, -1).clone().to(torch.uint8)
        image[0] = self.blue
        if self.opposite and index % 2:  # bright is background there
            mask = 1 - mask
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=mask)
        return dict(inputs=image, data_samples=sample)


def train(tmp_path, model=None, iters=4, name='run', hooks=None, **settings):
    settings = {'interval': 2, 'drawn_images': 3, **settings}
    settings['dataset'] = dict(type=MonitoredImages, **settings.get('dataset', {}))
    hooks = [dict(type='schanger_mm.FeatureMonitorHook', **settings)] if hooks is None else hooks
    runner = Runner(
        model or Encoder(), str(tmp_path / name), train_dataloader=dict(
            batch_size=2, num_workers=0, dataset=MonitoredImages(),
            sampler=dict(type='InfiniteSampler', shuffle=False), collate_fn=dict(type='pseudo_collate')),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)), log_level='WARNING',
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=iters), default_hooks=dict(checkpoint=None),
        custom_hooks=hooks, experiment_name=f'{tmp_path.name}_{name}')
    runner.train()
    return runner


def probe(runner):
    return runner.message_hub.get_scalar('train/probe_accuracy').current()


def test_features_that_separate_the_classes_score_near_100(tmp_path):
    assert probe(train(tmp_path)) > 95


def test_the_probe_is_scored_on_other_images_than_it_was_fitted_on(tmp_path):
    """Every other image says the opposite: what fits the one half is wrong on the other."""
    assert probe(train(tmp_path, iters=1, dataset=dict(opposite=True))) < 5


def test_noise_scores_near_50(tmp_path):
    assert probe(train(tmp_path, Encoder(noise=True))) == pytest.approx(50, abs=8)


def test_collapsed_features_score_50(tmp_path):
    runner = train(tmp_path, Encoder(scale=0.0), iters=1)
    assert probe(runner) == pytest.approx(50, abs=1e-6)


def test_it_comes_every_interval_and_at_the_end(tmp_path):
    runner = train(tmp_path, iters=5)
    assert sorted(path.name for path in (tmp_path / 'run/features').iterdir()) == [
        'iter_2.png', 'iter_4.png', 'iter_5.png']
    assert runner.message_hub.get_scalar('train/probe_accuracy')._log_history.size == 3


def test_the_picture_has_a_row_per_image_in_red_green_blue(tmp_path):
    train(tmp_path, iters=2)
    sheet = np.asarray(Image.open(tmp_path / 'run/features/iter_2.png'))
    step = SIZE + 8
    assert sheet.shape == (3 * step + 8, 3 * step + 8, 3)
    for row in range(3):
        top = 8 + row * step
        assert sheet[top + 10, 8 + 10].tolist() == [200, 200, 40]  # the square of the image, blue low
        assert sheet[top + 30, 8 + 30].tolist() == [40, 40, 40]
        assert sheet[top + 10, 8 + step + 10].tolist() == [240] * 3  # of the mask
        assert sheet[top + 30, 8 + step + 30].tolist() == [0] * 3
        inner, outer = (sheet[top + y, 8 + 2 * step + y].astype(int) for y in (12, 30))
        assert np.abs(inner - outer).max() > 200  # of the features
    assert (sheet[:8] == 255).all()


def test_images_that_need_padding_are_probed_on_their_own_pixels(tmp_path):
    """30 x 26 px, padded to 32 x 32: the stride stays 4 and the padding is neither class."""
    runner = train(tmp_path, iters=2, dataset=dict(sizes=((30, 26), ) * 4))
    assert probe(runner) > 95
    sheet = np.asarray(Image.open(tmp_path / 'run/features/iter_2.png'))
    assert sheet.shape[0] == 3 * (32 + 8) + 8
    assert sheet[8 + 31, 8 + 40 + 10].tolist() == [112] * 3  # grey: ignored
    assert sheet[8 + 31, 8 + 10].tolist() == [0] * 3


@pytest.mark.parametrize('sizes, found', [
    (((SIZE, SIZE), ), r'found 1 of \[\(3, 32, 32\)\]'),
    (((SIZE, SIZE), (SIZE, 16)), r'found 2 of \[\(3, 32, 16\), \(3, 32, 32\)\]'),
])
def test_one_image_or_several_sizes_are_refused_before_training(tmp_path, sizes, found):
    model = Encoder()
    with pytest.raises(ValueError, match=f'two or more images of one size, {found}; crop them'):
        train(tmp_path, model, dataset=dict(sizes=sizes))
    assert model.trained == []


@pytest.mark.parametrize('settings', [dict(interval=0), dict(max_images=1)])
def test_settings_without_sense_are_refused(settings):
    with pytest.raises(ValueError, match='expected 1 or more and 2 or more'):
        FeatureMonitorHook(dataset={}, **settings)


def test_a_training_that_has_diverged_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'features at iteration 1 are not finite.*optim_wrapper\.optimizer\.lr'):
        train(tmp_path, Encoder(scale=float('nan')), interval=1)


def test_images_are_spread_over_the_data_set(tmp_path):
    seen = []

    class Counted(MonitoredImages):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index)

    hook = FeatureMonitorHook(dataset=dict(type=Counted, sizes=((SIZE, SIZE), ) * 10), max_images=4)
    hook.before_train(None)
    assert seen == [0, 3, 6, 9]


def test_the_model_stays_in_training_mode(tmp_path):
    model = Encoder()
    train(tmp_path, model, interval=1)
    assert model.trained == [True] * 4 and model.training


def test_random_numbers_are_those_of_a_run_without_the_hook(tmp_path):
    drawn = []
    for name, hooks in (('with', None), ('without', [])):
        random.seed(3), np.random.seed(3), torch.manual_seed(3)
        train(tmp_path, name=name, hooks=hooks)
        drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert drawn[0] == drawn[1]
