"""Watches a self-supervised training for collapse."""

from __future__ import annotations

from pathlib import Path

import mmcv
import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from schanger_mm.evaluation.separability import linear_probe
from schanger_mm.registry import DATASETS, HOOKS
from schanger_mm.visualization.features import draw_feature_sheet


@HOOKS.register_module()
class FeatureMonitorHook(Hook):
    """Probe the features on held-back images, and draw their principal components.

    Every ``interval`` iterations the features of ``max_images`` images are
    computed; a linear probe is fitted on points of one half of the images and
    scored on those of the other half. The log gets ``probe_accuracy``:
    balanced accuracy in percent, 50 is chance. With ``projection_std`` of the
    model it tells a collapse: both fall. The picture is
    ``<work_dir>/features/iter_<n>.png``, one row per image: image, mask,
    first three principal components.

    Args:
        dataset: config of images with masks that do not train, of one size.
        interval: iterations.
        max_images: used for the probe.
        drawn_images: of them, drawn.
        points: per image and class, for the probe.
        seed: of the choice of points.
    """

    priority = 'NORMAL'  # before the logger, so that its line holds the probe

    def __init__(self, dataset: dict, interval: int = 500, max_images: int = 32, drawn_images: int = 4,
                 points: int = 64, seed: int = 36):
        if interval < 1 or max_images < 2:
            raise ValueError(f'FeatureMonitorHook: interval={interval}, max_images={max_images}; expected 1 or more '
                             'and 2 or more.')
        self.dataset = dataset
        self.interval = interval
        self.max_images = max_images
        self.drawn_images = drawn_images
        self.points = points
        self.seed = seed
        self._samples: list[dict] = []

    def before_train(self, runner) -> None:
        """Load the held-back images."""
        data = DATASETS.build(self.dataset)
        self._samples = [data[i] for i in range(min(self.max_images, len(data)))]
        sizes = {tuple(sample['inputs'].shape) for sample in self._samples}
        if len(self._samples) < 2 or len(sizes) > 1:
            raise ValueError(f'FeatureMonitorHook.dataset: expected two or more images of one size, found '
                             f'{len(self._samples)} of {sorted(sizes)}; crop them in its pipeline.')

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Probe and draw."""
        if self.every_n_train_iters(runner, self.interval) or runner.iter + 1 == runner.max_iters:
            self._monitor(runner)

    @master_only
    def _monitor(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        features = self._features(model)
        masks = np.stack([s['data_samples'].gt_sem_seg.data[0].numpy() for s in self._samples])
        runner.message_hub.update_scalar('train/probe_accuracy', self._probe(features, masks))
        shown = slice(self.drawn_images)
        images = np.stack([s['inputs'].numpy()[::-1].transpose(1, 2, 0) for s in self._samples[shown]])
        file = Path(runner.work_dir) / 'features' / f'iter_{runner.iter + 1}.png'
        sheet = draw_feature_sheet(images, masks[shown], features[shown])
        mmcv.imwrite(mmcv.rgb2bgr(sheet), str(file))

    @torch.no_grad()
    def _features(self, model) -> np.ndarray:
        training = model.training
        model.eval()
        batches = [model.data_preprocessor(dict(inputs=[s['inputs']], data_samples=[s['data_samples']]))['inputs']
                   for s in self._samples]
        features = torch.cat([model(batch, mode='tensor').float().cpu() for batch in batches]).numpy()
        model.train(training)
        return features

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
