"""Class maps of each date: what heads with a semantic option share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers import build_part
from schanger_mm.utils.errors import SettingError

KEYS = ('seg_logits', 'seg_logits_from', 'seg_logits_to')
"""What a head with classes returns, as Open-CD's do: logits of change, and of the classes of date A and date B."""
MOST = 254
"""Largest number of classes: labels are bytes, and 255 is ignored."""


def semantic_settings(head: str, semantic: Mapping) -> tuple[int, dict]:
    """Return the number of classes and the config of the loss from the option ``semantic`` of a head.

    Raises:
        SettingError: an unknown key, or no usable number of classes.
    """
    known = {'num_classes', 'loss'}
    if not isinstance(semantic, Mapping) or not set(semantic) <= known or 'num_classes' not in semantic:
        raise SettingError(f'{head}.semantic={semantic!r}: expected dict(num_classes=K), or with loss=dict(...), too.')
    classes = semantic['num_classes']
    if not isinstance(classes, int) or not 2 <= classes <= MOST:
        raise SettingError(f'{head}.semantic.num_classes={classes!r}: expected a whole number from 2 to {MOST}, the '
                           'classes of the data set without "unchanged".')
    return classes, dict(semantic.get('loss') or {})


class SemanticLosses(nn.Module):
    """The loss of both dates' classes, computed from samples.

    Args:
        config: of the loss, :class:`SemanticLoss` where it names no type.
    """

    def __init__(self, config: dict):
        super().__init__()
        self.criterion = build_part(config, 'SemanticLoss')

    def forward(self, logits: Sequence[Tensor], changed: Tensor, samples: Sequence, ignore_index: int
                ) -> dict[str, Tensor]:
        """Hold logits ``(N, K, h, w)`` of both dates against ``gt_sem_seg_from`` and ``gt_sem_seg_to`` of the samples.

        Raises:
            SettingError: a sample without one of them.
        """
        targets = []
        for key in ('gt_sem_seg_from', 'gt_sem_seg_to'):
            if any(key not in sample for sample in samples):
                raise SettingError(f'the decode head has classes, but a sample has no {key}; use a data set with a '
                                   'label map for each date (SemanticChangeDataset) and LoadSemanticLabels in its '
                                   'pipeline, or omit `semantic` of the decode head.')
            targets.append(torch.stack([sample.get(key).data for sample in samples]).squeeze(1))
        dates = [resize(logit, target.shape[-2:], align_corners=False) for logit, target in zip(logits, targets)]
        return self.criterion(*dates, *targets, changed, ignore_index=ignore_index)


class SemanticMaps(BaseModule):
    """The single-date head of SChanger's pre-training for K classes, run on each date with the same weights.

    A 3x3 convolution per decoder level gives side logits of each class, and a 1x1 convolution fuses the five side
    logits of a class, as MSFSH does for change. So the class that the pre-training has seen can take over its head:
    :meth:`from_single_date`.

    All logits start near 0, as those of classes compete from the first iteration on.

    Args:
        channels: of the decoder after each level, from coarse to fine.
        num_classes: K.
    """

    def __init__(self, channels: Sequence[int], num_classes: int):
        super().__init__()
        self.num_classes = num_classes
        self.side_convs = nn.ModuleList(nn.Conv2d(c, num_classes, 3, padding=1) for c in channels)
        self.fuse = nn.Conv2d(len(channels) * num_classes, num_classes, 1, groups=num_classes)

    def init_weights(self) -> None:
        """Start with small side logits, whose mean is the logit of a class."""
        for conv in self.side_convs:
            nn.init.normal_(conv.weight, 0.0, 0.01)
            nn.init.zeros_(conv.bias)
        nn.init.constant_(self.fuse.weight, 1 / len(self.side_convs))
        nn.init.zeros_(self.fuse.bias)

    def side(self, level: int, features: Tensor, size: Sequence[int]) -> Tensor:
        """Return the side logits of a date after a level, ``(N, K, H, W)``."""
        return resize(self.side_convs[level](features), size)

    def forward(self, sides: Sequence[Tensor]) -> Tensor:
        """Fuse the side logits of all levels, ``(N, K, H, W)`` each, to one of that shape."""
        return self.fuse(torch.stack(list(sides), dim=2).flatten(1, 2))

    def from_single_date(self, state: Mapping[str, Tensor], prefix: str, index: int) -> dict[str, Tensor]:
        """Return this part's entries with one class taken from the head of a single-date network.

        Args:
            state: the network's state dict.
            prefix: of its decode head, such as ``'decode_head.'``.
            index: number of the class, from 0.

        Raises:
            SettingError: ``index`` is no class, or entries are missing or have other shapes.
        """
        if not 0 <= index < self.num_classes:
            raise SettingError(f'class {index}: expected 0 to {self.num_classes - 1}.')
        own = {name: value.detach().clone() for name, value in self.state_dict().items()}
        for name, value in own.items():
            source = f'{prefix}{name.replace("fuse.", "conv_seg.")}'
            if source not in state or state[source].shape[1:] != value.shape[1:] or len(state[source]) != 1:
                found = tuple(state[source].shape) if source in state else 'none'
                raise SettingError(f'{source}: expected {(1, *value.shape[1:])} of a single-date network, found '
                                   f'{found}.')
            value[index] = state[source][0]
        return own


def resize(x: Tensor, size: Sequence[int], align_corners: bool = True) -> Tensor:
    """Resample ``(N, C, h, w)`` bilinearly; a no-op at equal size.

    The authors align corners between the levels. From cells to the pixels that they cover, as to an image, it would
    shift borders by up to half a cell.
    """
    if x.shape[-2:] == torch.Size(size):
        return x
    return F.interpolate(x, size=tuple(size), mode='bilinear', align_corners=align_corners)
