"""A head for change and the classes of both dates on features of any backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from torch import Tensor, nn

from schanger_mm.models.decode_heads.semantic_maps import KEYS, SemanticLosses, semantic_settings
from schanger_mm.models.layers import build_part
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError


@MODELS.register_module()
class SemanticChangeHead(BaseDecodeHead):
    """Change and the classes of both dates from the features of any mmseg backbone, with or without a neck.

    The levels of a date are projected to ``channels``, resized to the finest one, concatenated and projected again, as
    in SegFormer's head, with the same weights for both dates. A 1x1 convolution gives the classes of a date; TFM fuses
    the dates, and a 3x3 convolution with norm leads to the change logit.

    Levels are pairs (:class:`SiameseEncoderDecoder` without a neck, or with :class:`PerDate`), or both dates
    concatenated on channels, date A first.

    Args:
        in_channels: channels of each level of ONE date.
        in_index: levels to use.
        channels: channels of the projections.
        semantic: ``dict(num_classes=K)``, and optionally ``loss``, as for :class:`SpatialConsistencyHead`.
        temporal_fusion: config of what fuses the dates.
        loss_decode: loss, or list of losses, of the change logit.
        norm_cfg: config of the norms.
        **kwargs: those of mmseg's ``BaseDecodeHead``.

    Raises:
        SettingError: ``semantic`` has no usable number of classes.
    """

    accepts_pairs = True

    def __init__(self,
                 in_channels: Sequence[int],
                 semantic: dict,
                 in_index: Sequence[int] | None = None,
                 channels: int = 128,
                 temporal_fusion: dict = dict(type='TFM'),  # noqa: B006
                 loss_decode: dict | Sequence[dict] = dict(type='schanger_mm.BCEDiceLoss'),  # noqa: B006
                 norm_cfg: dict = dict(type='BN'),  # noqa: B006
                 threshold: float = 0.5,
                 align_corners: bool = False,
                 **kwargs):
        super().__init__(
            in_channels=list(in_channels), in_index=list(range(len(in_channels)) if in_index is None else in_index),
            input_transform='multiple_select', channels=channels, num_classes=2, out_channels=1, threshold=threshold,
            loss_decode=loss_decode, norm_cfg=norm_cfg, align_corners=align_corners, **kwargs)
        self.semantic_classes, loss = semantic_settings('SemanticChangeHead', semantic)
        self.laterals = nn.ModuleList(ConvModule(c, channels, 1, norm_cfg=norm_cfg) for c in in_channels)
        self.project = ConvModule(len(in_channels) * channels, channels, 1, norm_cfg=norm_cfg)
        self.fusion = build_part({**temporal_fusion, 'in_channels': [channels]}, 'TFM')
        self.change = ConvModule(channels, channels, 3, padding=1, norm_cfg=norm_cfg)
        self.classes = nn.Conv2d(channels, self.semantic_classes, 1)
        self.semantic_loss = SemanticLosses(loss)

    def forward(self, inputs: Sequence) -> dict[str, Tensor]:
        """Return ``seg_logits`` ``(N, 1, h, w)``, ``seg_logits_from`` and ``seg_logits_to`` ``(N, K, h, w)``.

        Raises:
            SettingError: a level does not hold two dates of its channels.
        """
        levels = [self._dates(inputs[index], channels) for index, channels in zip(self.in_index, self.in_channels)]
        dates = [self._features(date) for date in zip(*levels)]
        change = self.cls_seg(self.change(self.fusion.fuse(0, *dates)))
        return dict(zip(KEYS, (change, *map(self.classes, dates))))

    def loss(self, inputs: Sequence, batch_data_samples: list, train_cfg: dict) -> dict[str, Tensor]:
        """Return the losses of change and of the classes."""
        logits = self.forward(inputs)
        losses = self.loss_by_feat(logits['seg_logits'], batch_data_samples)
        target = self._stack_batch_gt(batch_data_samples).squeeze(1)
        classes = [resize(logits[key], target.shape[-2:], mode='bilinear', align_corners=self.align_corners)
                   for key in KEYS[1:]]
        return {**losses, **self.semantic_loss(classes, target, batch_data_samples, self.ignore_index)}

    def predict_by_feat(self, seg_logits: dict[str, Tensor], batch_img_metas: list[dict]) -> dict[str, Tensor]:
        """Resize logits to the size of the images, as mmseg does."""
        return {key: super(SemanticChangeHead, self).predict_by_feat(logits, batch_img_metas)
                for key, logits in seg_logits.items()}

    def _features(self, levels: Sequence[Tensor]) -> Tensor:
        projected = [lateral(x) for lateral, x in zip(self.laterals, levels)]
        size = projected[0].shape[-2:]
        return self.project(torch.cat([resize(x, size, mode='bilinear', align_corners=self.align_corners)
                                       for x in projected], dim=1))

    @staticmethod
    def _dates(level, channels: int) -> tuple[Tensor, Tensor]:
        dates = tuple(level.chunk(2, dim=1)) if isinstance(level, Tensor) else tuple(level)
        if len(dates) != 2 or any(date.shape[1] != channels for date in dates):
            raise SettingError(f'SemanticChangeHead: a level has {sum(date.shape[1] for date in dates)} channels, '
                               f'expected two dates of {channels}. Check in_channels (those of one date), and that no '
                               'neck fuses the dates: PerDate runs a neck on each of them.')
        return dates
