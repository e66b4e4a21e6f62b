"""SaDL: semantic-aware dense pre-training from single images with masks."""

from __future__ import annotations

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers import SyncNorm
from schanger_mm.registry import MODELS, TASK_UTILS
from schanger_mm.utils.errors import SettingError

from .points import CLASSES, gather_points, map_points
from .two_views import View


@MODELS.register_module()
class PointMLP(nn.Sequential):
    """Linear, batch norm, ReLU, linear, on features ``(P, C)``: SaDL's projector and predictor.

    Args:
        in_channels: C.
        hidden_channels: width in between.
        out_channels: width of the result.
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int):
        super().__init__(
            nn.Linear(in_channels, hidden_channels), nn.BatchNorm1d(hidden_channels), nn.ReLU(inplace=True),
            nn.Linear(hidden_channels, out_channels))


class ViewLearner(BaseModel):
    """Base of SaDL and its control: an encoder, two views, a projector and a predictor.

    Args:
        backbone: config of any mmseg, mmpretrain or own backbone.
        neck: config of the neck that turns its levels into one map (the last
            of its outputs is used); None uses the backbone's first level.
        projector: config of the projector.
        predictor: config of the predictor, from the projector's width back to it.
        views: config of the two-view transform.
        loss_consistency: config of the loss between predictions and targets, a
            :class:`ConsistencyLoss` if it has no type.
        data_preprocessor: must return RGB in [0, 1].
        init_cfg: mmengine initialisation.
    """

    def __init__(self, backbone: dict, neck: dict | None, projector: dict, predictor: dict, views: dict,
                 loss_consistency: dict | None = None, data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None):
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck) if neck is not None else None
        self.projector = MODELS.build(projector)
        self.predictor = MODELS.build(predictor)
        self.views = MODELS.build(views)
        self.loss_consistency = MODELS.build(loss_consistency or {}, default_args=dict(type='ConsistencyLoss'))

    def extract_feat(self, images: Tensor) -> Tensor:
        """Encode ``(N, 3, H, W)`` into the feature map for point look-ups, ``(N, C, h, w)``."""
        levels = self.backbone(images)
        if self.neck is None:
            return levels[0]
        return self.neck(levels)[-1]

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor') -> dict | Tensor:
        """Return the losses (``mode='loss'``) or the feature map of normalised images (``mode='tensor'``).

        Args:
            inputs: RGB in [0, 1], ``(N, 3, H, W)``.
            data_samples: with ``gt_sem_seg`` of 0, 1 and 255.
            mode: 'loss' or 'tensor'.

        Raises:
            SettingError: a batch of one, or another mode.
        """
        if mode == 'tensor':
            return self.extract_feat((inputs - self.views.mean) / self.views.std)
        if mode != 'loss':
            raise SettingError(f'{type(self).__name__}: mode={mode!r}; it pre-trains and predicts nothing, expected '
                               "'loss' or 'tensor'.")
        if len(inputs) < 2:
            raise SettingError(f'{type(self).__name__}: a batch of {len(inputs)}; batch norm and the background swap '
                               'need two or more images, set train_dataloader.batch_size and drop_last=True.')
        masks = torch.stack([sample.gt_sem_seg.data for sample in data_samples])
        with torch.autocast(inputs.device.type, enabled=False):  # half a pixel matters in the geometry
            views = self.views(inputs.float(), masks)
        return self.loss(*views, masks)


@MODELS.register_module()
class SaDL(ViewLearner):
    """Semantic-aware dense representation learning.

    Points of the same ground pixel in two views predict each other
    (consistency), points of foreground and background differ
    (discrimination), and foreground points stay the same when the
    background around them is replaced (synthetic view). Total = consistency +
    discrimination + 0.5 * synthetic.

    Source: Chen et al., IEEE TGRS 2022, doi 10.1109/TGRS.2022.3203769.

    Args:
        discrimination_weight: factor of the discrimination loss.
        synthetic_weight: factor of the synthetic view; 0 skips its forward pass.
        sampler: config of the point sampler, a :class:`ClassPointSampler` if it has no type.
        background_swap: the same for the synthetic view, :class:`BackgroundSwap`.
        loss_discrimination: the same for the discrimination loss, :class:`DiscriminationLoss`.
        loss_synthetic: the same for the synthetic view's foreground, :class:`ConsistencyLoss`.
        **kwargs: those of :class:`ViewLearner`.
    """

    def __init__(self, discrimination_weight: float = 1.0, synthetic_weight: float = 0.5, sampler: dict | None = None,
                 background_swap: dict | None = None, loss_discrimination: dict | None = None,
                 loss_synthetic: dict | None = None, **kwargs):
        super().__init__(**kwargs)
        self.sampler = TASK_UTILS.build(sampler or {}, default_args=dict(type='ClassPointSampler'))
        self.background_swap = MODELS.build(background_swap or {}, default_args=dict(type='BackgroundSwap'))
        self.loss_discrimination = MODELS.build(loss_discrimination or {}, default_args=dict(type='DiscriminationLoss'))
        self.loss_synthetic = MODELS.build(loss_synthetic or {}, default_args=dict(type='ConsistencyLoss'))
        self.discrimination_weight = discrimination_weight
        self.synthetic_weight = synthetic_weight

    def loss(self, view1: View, view2: View, masks: Tensor) -> dict[str, Tensor]:
        """Compute the three losses, and ``projection_std`` (1 / sqrt(width) without a collapse)."""
        size = view1.image.shape[-2:]
        points, valid = self.sampler(masks, (view1.matrix, view2.matrix), size)
        if not valid.any():
            raise SettingError('SaDL: no image of the batch has a pixel of 0 or 1 that both views show; check the '
                               'masks (255 is ignored) and the scale of the views.')
        places = [map_points(points, view.matrix) * valid[..., None, None] for view in (view1, view2)]
        points1, points2 = (self._points(view.image, place, valid) for view, place in zip((view1, view2), places))
        projected1, projected2 = self._project(points1), self._project(points2)
        predicted1, predicted2 = self._predict(projected1), self._predict(projected2)
        losses = dict(
            loss_consistency=(self.loss_consistency(predicted1, projected2)
                              + self.loss_consistency(predicted2, projected1)) / 2,
            loss_discrimination=self.discrimination_weight * self._discrimination(points1, points2, valid),
            projection_std=F.normalize(torch.cat(projected1), dim=1).std(dim=0).mean().detach())
        if self.synthetic_weight:
            synthetic = self._points(self._swapped(view1), places[0], valid)
            foreground = self._predict(self._project(synthetic))[1]
            losses['loss_synthetic'] = self.synthetic_weight * self.loss_synthetic([foreground], [projected1[1]])
        return losses

    def _points(self, images: Tensor, places: Tensor, valid: Tensor) -> list[Tensor]:
        """Return per class the features ``(P_k, C)`` of the valid points of all images."""
        features = self.extract_feat(images)
        gathered = gather_points(features, places, images.shape[-1] // features.shape[-1])
        return [gathered[valid[:, k], k].flatten(0, 1) for k in range(CLASSES)]

    def _project(self, points: list[Tensor]) -> list[Tensor]:
        """Project the points of both classes together, so that batch norm sees both."""
        return list(self.projector(torch.cat(points)).split([len(p) for p in points]))

    def _predict(self, projected: list[Tensor]) -> list[Tensor]:
        # synchronised norms: other processes may have points of the class and wait for this one
        waited_for = any(isinstance(part, (nn.SyncBatchNorm, SyncNorm)) for part in self.predictor.modules())
        return [self.predictor(p) if len(p) or waited_for else p for p in projected]

    def _discrimination(self, points1: list[Tensor], points2: list[Tensor], valid: Tensor) -> Tensor:
        """Separate the classes in images that show both, averaged over the views."""
        both = valid.all(dim=1)
        total = valid.new_zeros((), dtype=torch.float32)
        for points in (points1, points2):
            background, foreground = (
                p.unflatten(0, (int(valid[:, k].sum()), -1))[both[valid[:, k]]].flatten(0, 1) if len(p) else p
                for k, p in enumerate(points))
            total = total + self.loss_discrimination(background, foreground) / 2
        return total

    def _swapped(self, view: View) -> Tensor:
        """Give each image the background of the image at the same place from the batch's end."""
        foreground = (view.mask == 1).to(view.image)
        return self.background_swap(view.image, foreground, view.image.flip(0), foreground.flip(0))[0]
