"""Monitor a self-supervised training for collapse."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from schanger_mm.evaluation.separability import linear_probe
from schanger_mm.registry import DATASETS, HOOKS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import write_png
from schanger_mm.utils.random_numbers import own_random_numbers
from schanger_mm.visualization.features import draw_feature_sheet
from schanger_mm.visualization.panel import paint


@HOOKS.register_module()
class FeatureMonitorHook(Hook):
    """Probe the features on held-out images, and draw their principal components.

    Every ``interval`` iterations the features of ``max_images`` images are
    computed; a linear probe is fitted on points of one half of the images and
    scored on those of the other half. The log gets ``probe_accuracy``:
    balanced accuracy in percent, 50 is chance. With ``projection_std`` of the
    model it shows a collapse: both fall. The picture is
    ``<work_dir>/features/iter_<n>.png``, one row per image: image, mask,
    first three principal components. The training's random numbers are those
    of a run without the hook.

    Args:
        dataset: config of images with masks, of one size, not used for training.
        interval: iterations between evaluations.
        max_images: number of images for the probe, spread over the data set.
        drawn_images: number of these to draw.
        points: points per image and class, for the probe.
        seed: seed of the choice of points.

    Raises:
        ValueError: fewer than two images, images of different size, or
            features that are not finite.
    """

    priority = 'NORMAL'  # before the logger, so that its line holds the probe

    def __init__(self, dataset: dict, interval: int = 500, max_images: int = 32, drawn_images: int = 4,
                 points: int = 64, seed: int = 36):
        if interval < 1 or max_images < 2:
            raise SettingError(f'FeatureMonitorHook: interval={interval}, max_images={max_images}; expected 1 or more '
                               'and 2 or more.')
        self.dataset = dataset
        self.interval = interval
        self.max_images = max_images
        self.drawn_images = drawn_images
        self.points = points
        self.seed = seed
        self._samples: list[dict] = []

    def before_train(self, runner) -> None:
        """Load the held-out images."""
        with own_random_numbers():
            data = DATASETS.build(self.dataset)
            spread = np.linspace(0, len(data) - 1, min(self.max_images, len(data)), dtype=int)
            self._samples = [data[int(i)] for i in spread]  # tiles of one image are adjacent
        sizes = {tuple(sample['inputs'].shape) for sample in self._samples}
        if len(self._samples) < 2 or len(sizes) > 1:
            raise SettingError(f'FeatureMonitorHook.dataset: expected two or more images of one size, found '
                               f'{len(self._samples)} of {sorted(sizes)}; crop them in its pipeline.')

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Probe and draw."""
        if self.every_n_train_iters(runner, self.interval) or runner.iter + 1 == runner.max_iters:
            self._monitor(runner)

    @master_only
    def _monitor(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        features, masks = self._features(model)
        if not np.isfinite(features).all():
            raise SettingError(f'FeatureMonitorHook: the features at iteration {runner.iter + 1} are not finite, so '
                               'the training has diverged. Lower optim_wrapper.optimizer.lr, or set '
                               'optim_wrapper.clip_grad, and start again.')
        runner.message_hub.update_scalar('train/probe_accuracy', self._probe(features, masks))
        height, width = self._samples[0]['inputs'].shape[-2:]
        shown = slice(self.drawn_images)
        images = np.zeros((*masks[shown].shape, 3), np.uint8)  # padded like the masks
        images[:, :height, :width] = [
            paint(sample['inputs'].numpy().transpose(1, 2, 0)) for sample in self._samples[shown]]
        sheet = draw_feature_sheet(images, masks[shown], features[shown])
        write_png(Path(runner.work_dir) / 'features' / f'iter_{runner.iter + 1}.png', sheet)

    @torch.no_grad()
    def _features(self, model) -> tuple[np.ndarray, np.ndarray]:
        """Return features ``(N, C, h, w)`` and masks ``(N, H, W)``, both of images padded as in training."""
        training = model.training
        model.eval()
        features, masks = [], []
        for sample in self._samples:  # one by one, since they may not fit into memory together
            batch = dict(inputs=[sample['inputs']], data_samples=[deepcopy(sample['data_samples'])])
            batch = model.data_preprocessor(batch, training=True)  # or it would not pad
            features.append(model(batch['inputs'], mode='tensor').float().cpu())
            masks.append(batch['data_samples'][0].gt_sem_seg.data[0].cpu())
        model.train(training)
        return torch.cat(features).numpy(), torch.stack(masks).numpy()

    def _probe(self, features: np.ndarray, masks: np.ndarray) -> float:
        rng = np.random.default_rng(self.seed)
        halves: tuple[list, list] = ([], [])
        stride = masks.shape[-1] // features.shape[-1]
        for index, (feature, mask) in enumerate(zip(features, masks)):
            for label in (0, 1):
                y, x = np.nonzero(mask == label)
                if len(y):
                    drawn = rng.integers(len(y), size=self.points)
                    found = feature[:, y[drawn] // stride, x[drawn] // stride].T
                    halves[index % 2].append((found, np.full(self.points, label)))
        if not all(halves):
            return float('nan')
        parts = [np.concatenate(column) for half in halves for column in zip(*half)]
        return linear_probe(*parts)
