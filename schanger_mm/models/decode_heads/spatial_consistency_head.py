"""The decoder of SChanger: SCAM at every level, Siamese decoding, fused side outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from schanger_mm.models.decode_heads.semantic_maps import (
    KEYS,
    SemanticLosses,
    SemanticMaps,
    resize,
    semantic_settings,
)
from schanger_mm.models.layers import DateMaps, build_part, init_fan_out_, resolve_arch, set_dates
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

LEVELS = 5
ATTENTIONS: dict[str, dict | None] = {
    'large': dict(type='SCLKA'), 'small': dict(type='SCLKA', large=False), 'none': None}
"""Short names of configs of the attention."""


@MODELS.register_module()
class SpatialConsistencyHead(BaseDecodeHead):
    """Large-kernel spatial-consistency decode head.

    From the coarsest level to the finest: SCAM on the level's features, add
    the upsampled decoder features, two LFEMs, one side logit. The five side
    logits are concatenated and fused by ``conv_seg`` (1x1, five to one): MSFSH,
    the paper's multi-scale fusion segmentation head.

    With ``temporal_fusion`` the head keeps both dates apart (Siamese decoder)
    and joins them inside the attention and before each side logit. Without it
    the head decodes one pyramid: single-temporal pre-training, or a pyramid
    that a neck has fused. All other parameters carry the same names in both,
    so pre-trained weights load by name and only the fusions are new.

    Source: Zhou et al., "SChanger", IEEE JSTARS 18, 2025.

    Args:
        arch: ``'base'``, ``'small'`` or six widths, as for :class:`SCN`.
        temporal_fusion: config of :class:`TFM` (its ``in_channels`` are filled
            in), or None for one pyramid.
        attention: config of what gates the dates inside each SCAM,
            :class:`SCLKA` (the paper's) where it names no type; built with
            ``channels``. None, or ``'none'``: no attention; ``'small'``: a
            receptive field of 5 instead of 23 (ablations).
        share_attention: both dates are gated by one map; False: each by its
            own (ablation).
        deep_supervision: the loss covers all six maps; False: the final one
            only (ablation).
        drop_rate: dropout and stochastic depth rate.
        with_cp: keep only the inputs of each SCAM and LFEM in training and run
            them again in backward: same gradients, a fraction of the memory.
        loss_decode: loss, or list of losses, compared with each of the six maps and summed.
        threshold: a pixel is changed where the probability is strictly above it.
        ignore_index: label value that enters no loss.
        scam: config of the module around the attention, :class:`SCAM` where it
            names no type; built with ``channels``, ``drop_rate``, ``attention``
            and ``with_cp``.
        block: config of what the decoder is made of, :class:`LFEM` where it
            names no type; built with ``in_channels``, ``out_channels``,
            ``drop_rate`` and ``with_cp``.
        semantic: ``dict(num_classes=K)`` adds a map of K classes for each date, by :class:`SemanticMaps` on the
            features of that date, and their losses; ``loss`` in it is the config of :class:`SemanticLoss`. The head
            then returns a dict of logits, see :meth:`forward`. None: change only.
        init_cfg: mmengine initialisation, applied after the authors' own.

    Raises:
        SettingError: ``out_channels`` is not 1, a part has no usable config, or ``semantic`` without two dates.
    """

    accepts_pairs = True

    def __init__(self,
                 arch: str | Sequence[int] = 'base',
                 temporal_fusion: dict | None = None,
                 attention: dict | str | None = dict(type='SCLKA'),  # noqa: B006
                 share_attention: bool = True,
                 deep_supervision: bool = True,
                 drop_rate: float = 0.2,
                 with_cp: bool = False,
                 loss_decode: dict | Sequence[dict] = dict(type='schanger_mm.BCEDiceLoss'),  # noqa: B006
                 num_classes: int = 2,
                 out_channels: int = 1,
                 threshold: float = 0.5,
                 ignore_index: int = 255,
                 scam: dict = dict(type='SCAM'),  # noqa: B006
                 block: dict = dict(type='LFEM'),  # noqa: B006
                 semantic: dict | None = None,
                 init_cfg: dict | None = None):
        stem, *levels = resolve_arch(arch)
        super().__init__(
            in_channels=levels,
            in_index=list(range(LEVELS)),
            input_transform='multiple_select',
            channels=LEVELS,
            num_classes=num_classes,
            out_channels=out_channels,
            threshold=threshold,
            dropout_ratio=0.0,
            loss_decode=loss_decode,
            ignore_index=ignore_index,
            align_corners=False,  # of the last step, from a coarser finest map to the image
            init_cfg=init_cfg)
        if out_channels != 1:
            raise SettingError(f'SpatialConsistencyHead: out_channels={out_channels}; it makes one change logit.')
        if isinstance(attention, str):
            if attention not in ATTENTIONS:
                raise SettingError(f'SpatialConsistencyHead: attention={attention!r}; expected a config such as '
                                   f"dict(type='SCLKA'), None, or one of {', '.join(ATTENTIONS)}.")
            attention = ATTENTIONS[attention]
        self.deep_supervision = deep_supervision
        skip = levels[::-1]  # coarse to fine: c5, c4, c3, c2, c1
        out = [*skip[1:], stem]  # width after each level: c4, c3, c2, c1, c0
        build_block = partial(build_part, block, 'LFEM', drop_rate=drop_rate, with_cp=with_cp)
        self.scams = nn.ModuleList(
            build_part(scam, 'SCAM', channels=c, drop_rate=drop_rate, attention=attention, with_cp=with_cp)
            for c in skip)
        self.blocks = nn.ModuleList(
            nn.Sequential(build_block(in_channels=c, out_channels=c), build_block(in_channels=c, out_channels=c_out))
            for c, c_out in zip(skip, out))
        self.side_convs = nn.ModuleList(nn.Conv2d(c, out_channels, 3, padding=1) for c in out)
        self.num_dates = 1 if temporal_fusion is None else 2
        if temporal_fusion is not None:
            if share_attention and scam.get('attention', attention) is not None:
                self.attention_fusion = build_part({**temporal_fusion, 'in_channels': skip}, 'TFM')
            self.side_fusion = build_part({**temporal_fusion, 'in_channels': out}, 'TFM')
        self.semantic_classes = 0
        if semantic is not None:
            if self.num_dates != 2:
                raise SettingError('SpatialConsistencyHead: semantic needs the features of two dates; set '
                                   "temporal_fusion=dict(type='TFM') and use no neck that fuses the dates.")
            self.semantic_classes, loss = semantic_settings('SpatialConsistencyHead', semantic)
            self.semantic = SemanticMaps(out, self.semantic_classes)
            self.semantic_loss = SemanticLosses(loss)
        knows_both = self.num_dates == 2 and all(hasattr(scam, 'dates') for scam in self.scams)
        self.joint = knows_both and set_dates(self, 2)  # both dates in one batch

    def init_weights(self) -> None:
        """Initialise as the authors do, then as defined by ``init_cfg``."""
        init_fan_out_(self)
        super().init_weights()

    def forward(self, inputs: Sequence[Tensor]) -> Tensor | dict[str, Tensor]:
        """Return the final logit ``(N, 1, H, W)``; see :meth:`forward_maps` for the inputs.

        With ``semantic`` it is a dict: ``seg_logits``, and ``seg_logits_from`` and ``seg_logits_to`` ``(N, K, H, W)``.
        """
        maps, classes = self._all_maps(inputs)
        return dict(zip(KEYS, (maps[0], *classes))) if classes else maps[0]

    def forward_maps(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Decode five levels into the six maps that training supervises.

        Args:
            inputs: five maps at strides 1, 2, 4, 8, 16, ``(N, C_i, H_i, W_i)``;
                with temporal fusion pairs of such maps, date A first, or both
                dates concatenated on channels: ``(N, 2 C_i, H_i, W_i)``.

        Returns:
            Six logits ``(N, 1, H, W)`` at the size of the finest level: the
            fused one, then the side logits from coarse to fine.

        Raises:
            SettingError: levels, channels or sizes do not fit this head.
        """
        return self._all_maps(inputs)[0]

    def _all_maps(self, inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the six maps of change, and the class logits of each date if there are classes."""
        side_logits: list[Tensor] = []
        class_sides: list[list[Tensor]] = [[], []]
        size = (inputs[0] if isinstance(inputs[0], Tensor) else inputs[0][0]).shape[-2:]
        for k, dates in enumerate(self.decode(inputs)):
            fuse = self._fusion('side_fusion', k)
            side = self.side_convs[k](fuse(*dates) if fuse else dates[0])
            side_logits.append(resize(side, size))
            if self.semantic_classes:
                for sides, features in zip(class_sides, dates):
                    sides.append(self.semantic.side(k, features, size))
        maps = [self.cls_seg(torch.cat(side_logits, dim=1)), *side_logits]
        return maps, [self.semantic(sides) for sides in class_sides] if self.semantic_classes else []

    def decode(self, inputs: Sequence[Tensor]) -> Iterator[list[Tensor]]:
        """Yield the decoder's features of each date after each level, from stride 16 to 1.

        Takes and refuses what :meth:`forward_maps` does; an item is a list of
        one or two maps ``(N, C_k, h_k, w_k)``.
        """
        running: list[Tensor] = []
        for k, skip in enumerate(self._split_dates(inputs)):
            dates = self.scams[k](skip, self._fusion('attention_fusion', k))
            if running:
                dates = [resize(x, y.shape[-2:]) + y for x, y in zip(running, dates)]
            running = [self.blocks[k](dates.pop(0)) for _ in range(len(dates))]  # lets each go once it is used
            yield running if len(running) == self.num_dates else list(running[0].chunk(2))

    def loss(self, inputs: Sequence[Tensor], batch_data_samples: list, train_cfg: dict) -> dict[str, Tensor]:
        """Hold all six maps (or the final one) against the labels and sum their losses; classes have their own."""
        maps, classes = self._all_maps(inputs)
        losses = self.loss_by_feat(maps if self.deep_supervision else maps[:1], batch_data_samples)
        if classes:
            changed = self._stack_batch_gt(batch_data_samples).squeeze(1)
            losses.update(self.semantic_loss(classes, changed, batch_data_samples, self.ignore_index))
        return losses

    def predict_by_feat(self, seg_logits: Tensor | dict[str, Tensor], batch_img_metas: list[dict]
                        ) -> Tensor | dict[str, Tensor]:
        """Resize logits to the size of the images, as mmseg does."""
        if isinstance(seg_logits, dict):
            return {key: super(SpatialConsistencyHead, self).predict_by_feat(logits, batch_img_metas)
                    for key, logits in seg_logits.items()}
        return super().predict_by_feat(seg_logits, batch_img_metas)

    def loss_by_feat(self, seg_logits: list[Tensor], batch_data_samples: list) -> dict[str, Tensor]:
        """Compute losses from the maps and the samples' ``gt_sem_seg``, ``(1, H, W)`` each."""
        target = self._stack_batch_gt(batch_data_samples).squeeze(1)
        losses: dict[str, Tensor] = {}
        seg_logits = [resize(logit, target.shape[-2:], self.align_corners) for logit in seg_logits]
        for criterion in self.loss_decode if isinstance(self.loss_decode, nn.ModuleList) else [self.loss_decode]:
            maps = [torch.cat(seg_logits, dim=1)] if getattr(criterion, 'takes_maps', False) else seg_logits
            losses[criterion.loss_name] = losses.get(criterion.loss_name, 0) + sum(
                criterion(logits, target, ignore_index=self.ignore_index) for logits in maps)
        return losses

    def _fusion(self, name: str, level: int):
        fusion = getattr(self, name, None)
        return partial(fusion.fuse, level) if fusion is not None else None

    def _split_dates(self, inputs: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
        """Order levels from coarse to fine, each as a tuple of its dates."""
        if len(inputs) != LEVELS:
            raise SettingError(
                f'SpatialConsistencyHead needs {LEVELS} levels (strides 1, 2, 4, 8, 16), got {len(inputs)}.')
        levels = [x.chunk(self.num_dates, dim=1) if isinstance(x, Tensor) else tuple(x) for x in inputs]
        for dates, channels, coarser in zip(levels, self.in_channels, [*levels[1:], None]):
            if len(dates) != self.num_dates or any(x.shape[1] != channels for x in dates):
                raise SettingError(
                    f'SpatialConsistencyHead: a level has {sum(x.shape[1] for x in dates)} channels, expected '
                    f'{self.num_dates} x {channels} ({"with" if self.num_dates == 2 else "without"} '
                    'temporal_fusion). Check arch of backbone and head, and that two dates go with '
                    "temporal_fusion=dict(type='TFM'), one date or a fusing neck without it.")
            size = dates[0].shape[-2:]
            if coarser is not None and size != (2 * coarser[0].shape[-2], 2 * coarser[0].shape[-1]):
                raise SettingError(
                    f'SpatialConsistencyHead: levels of {tuple(size)} and {tuple(coarser[0].shape[-2:])} px '
                    'do not halve; pad the images to multiples of 16.')
        if self.joint and (self.training or isinstance(inputs[0], DateMaps)):
            return [(x.stacked if isinstance(x, DateMaps) else torch.cat(dates), )
                    for x, dates in zip(inputs[::-1], levels[::-1])]
        return levels[::-1]

