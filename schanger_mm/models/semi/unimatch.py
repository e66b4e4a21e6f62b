"""UniMatch: weak-to-strong consistency on unlabelled pairs, around any detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers.recompute import statistics_at_rest
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

from .cutmix import draw_boxes, paste
from .feature_dropout import complementary, dropped, find_fusions, independent
from .pseudo_labels import PseudoLabels, consistency_loss, quality
from .views_preprocessor import ViewsPreProcessor

TEACHERS, MODES, PARTNERS = ('self', 'ema'), ('train', 'eval'), ('reversed', 'second')
STRONG = 2
"""Strong views of a pair."""


@MODELS.register_module()
class UniMatch(BaseModel):
    """Train a detector with labelled and unlabelled pairs.

    ``total = (w L_x + s (L_s1 + L_s2) + f L_fp) / 2``: the detector's own loss on
    the labelled pairs; cross-entropy of two strong views, mixed by CutMix,
    against pseudo-labels of the weak view; and the same for the weak view with
    dropped features. V1 is s = 0.25, f = 0.5, ``partner='second'``,
    ``complementary=False``; V2, the default here, is s = 0.5, f = 0.

    The parts of the detector are this model's own, under the same names, so a
    checkpoint of this model is one of the plain detector: testing, predicting
    and exporting need nothing of this class. Settings of optimiser, hooks and
    initial weights that name parts also stay as they are.

    Labelled and unlabelled pairs run in separate forward passes, so batch norm
    has statistics of each; the authors' V1 joins labelled and weak ones. Strong
    views and dropped features leave its running statistics alone, unlike in the
    authors' code: images in use look like neither (docs/few_labels.md).

    Logged beside the losses: ``confident``, the share of valid pixels whose
    pseudo-label counts; ``pseudo_accuracy`` and ``pseudo_F1`` where labels are read.

    Source: Yang et al., arXiv 2208.09910 (V1) and 2410.10777 (V2), and their published code.

    Args:
        detector: config of the detector, of one output channel or one per class.
        threshold: pixels of the weak view with a lower probability do not count, 0 to 1.
        partner: CutMix pastes from the same pairs in ``'reversed'`` order, or
            from the ``'second'`` half of the unlabelled pairs, which then serves for nothing else.
        cutmix_prob: probability of a box, for every strong view.
        supervised_weight: w.
        strong_weight: s.
        feature_weight: f; 0 skips the pass.
        feature_rate: rate of the dropout in that pass.
        complementary: drop features of the strong views, in one view the channels that stay in the other.
        fusion: names of the parts after which features are dropped; see
            :func:`~schanger_mm.models.semi.feature_dropout.find_fusions`.
        teacher: pseudo-labels by the network ``'self'``, or by its moving
            average ``'ema'``, which is that of ``EMAHook``.
        teacher_mode: mode of the network while it makes pseudo-labels of itself,
            ``'train'`` as the authors' code or ``'eval'``. An average is always
            in eval mode, and so is the network for the second half.
        all_maps: hold all maps that the head supervises against the
            pseudo-labels and sum their losses, instead of the final map only.
        patience: warn when no pixel was confident for so many iterations.
        data_preprocessor: that of the detector, if its config has none.

    Raises:
        SettingError: a setting out of range, or one that this detector cannot follow.
    """

    def __init__(self, detector: dict, threshold: float = 0.95, partner: str = 'reversed', cutmix_prob: float = 0.5,
                 supervised_weight: float = 1.0, strong_weight: float = 0.5, feature_weight: float = 0.0,
                 feature_rate: float = 0.5, complementary: bool = True, fusion: Sequence[str] | str | None = None,
                 teacher: str = 'self', teacher_mode: str = 'train', all_maps: bool = False, patience: int = 200,
                 data_preprocessor: dict | None = None):
        super().__init__()
        for name, choice, known in (('teacher', teacher, TEACHERS), ('teacher_mode', teacher_mode, MODES),
                                    ('partner', partner, PARTNERS)):
            if choice not in known:
                raise SettingError(f'UniMatch.{name}={choice!r}: expected {" or ".join(map(repr, known))}.')
        for name, value in dict(threshold=threshold, cutmix_prob=cutmix_prob, feature_rate=feature_rate).items():
            if not 0 <= value <= 1:
                raise SettingError(f'UniMatch.{name}={value!r}: expected a number from 0 to 1.')
        for name, value in dict(supervised_weight=supervised_weight, strong_weight=strong_weight,
                                feature_weight=feature_weight).items():
            if not value >= 0:
                raise SettingError(f'UniMatch.{name}={value!r}: expected 0 or more.')
        if not isinstance(patience, int) or patience < 1:
            raise SettingError(f'UniMatch.patience={patience!r}: expected a whole number of iterations, 1 or more.')
        defaults = {} if data_preprocessor is None else dict(data_preprocessor=data_preprocessor)
        network = MODELS.build({**defaults, **detector})
        if getattr(network, 'semantic_classes', 0):
            raise SettingError('UniMatch: the decode head of the detector has classes (semantic), for which there are '
                               'no pseudo-labels; omit `semantic` of the decode head, or train without semi=.')
        if all_maps and not hasattr(network.decode_head, 'forward_maps'):
            raise SettingError(f'UniMatch.all_maps: {type(network.decode_head).__name__} has one map only (no method '
                               'forward_maps); omit all_maps.')
        network.data_preprocessor = ViewsPreProcessor(network.data_preprocessor)
        self.__dict__['detector'] = network  # not a part of its own: its parts are ours, under their own names
        for parts in ('_parameters', '_buffers', '_modules', '_non_persistent_buffers_set'):
            self.__dict__[parts] = network.__dict__[parts]
        self.__dict__['_average'] = None
        self.threshold = threshold
        self.partner = partner
        self.cutmix_prob = cutmix_prob
        self.weights = dict(supervised=supervised_weight / 2, strong=strong_weight / 2, feature=feature_weight / 2)
        self.feature_rate = feature_rate
        self.complementary = complementary
        self.teacher = teacher
        self.teacher_mode = teacher_mode
        self.all_maps = all_maps
        self.patience = patience
        if complementary or feature_weight or fusion is not None:
            find_fusions(network, fusion)
        self.fusion_names = fusion

    def __getattr__(self, name: str) -> Any:
        """Look up what this model lacks, such as ``test_cfg``, in the detector."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if 'detector' not in self.__dict__ or name.startswith('__'):
                raise
            return getattr(self.__dict__['detector'], name)

    def train(self, mode: bool = True) -> UniMatch:
        """Set the mode of this model, and with it the detector's."""
        self.__dict__['detector'].training = mode
        return super().train(mode)

    def init_weights(self) -> None:
        """Initialise the detector."""
        self.detector.init_weights()

    def use_average(self, average: nn.Module) -> None:
        """Set the moving average of this model, which makes the pseudo-labels with ``teacher='ema'``."""
        self.__dict__['_average'] = average

    def forward(self, inputs: Tensor | dict, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """Return the losses of a mixed batch, or whatever the detector returns in the modes of prediction.

        Raises:
            SettingError: ``mode='loss'`` for a batch without unlabelled pairs.
        """
        if mode != 'loss':
            return self.detector(inputs, data_samples, mode=mode)
        if not isinstance(inputs, dict):
            raise SettingError('UniMatch: the batch has no unlabelled pair. Set train_dataloader.dataset=dict(type='
                               'SemiDataset, ...) and sampler=dict(type=SemiSampler, ratio=1).')
        return self.loss(inputs, data_samples)

    def loss(self, inputs: dict, data_samples: dict) -> dict[str, Tensor]:
        """Compute the losses of a batch that :class:`ViewsPreProcessor` has sorted.

        Raises:
            SettingError: other than two strong views, crops of different sizes, or an odd number of unlabelled pairs
                with ``partner='second'``.
        """
        weak, *strong = inputs['views']
        self._check(inputs['labelled'], weak, strong)
        # first: mixed precision keeps the weights that it has cast, and without gradients if the teacher cast them
        losses = {name: self._weighted(name, value)
                  for name, value in self.detector.loss(inputs['labelled'], data_samples['labelled']).items()}
        samples = data_samples['unlabelled']
        ignore = torch.stack([sample.gt_sem_seg.data[0] for sample in samples]) == 255
        mine, others, strong, partners = self._pseudo_labels(weak, ignore, strong)
        count = len(mine.label)
        boxes = [draw_boxes(count, weak.shape[-2:], self.cutmix_prob).to(weak.device) for _ in strong]
        mixed = torch.cat([paste(box, *views) for box, *views in zip(boxes, strong, partners)])
        with statistics_at_rest(self):
            maps = self._maps(mixed, complementary(count) if self.complementary else None)
        for view, box in enumerate(boxes):
            of_view = [logits[view * count:(view + 1) * count] for logits in maps]
            loss = self._consistency(of_view, mine.mixed(box, others))
            losses[f'loss_strong_{view + 1}'] = self.weights['strong'] * loss
        if self.weights['feature']:
            with statistics_at_rest(self):
                maps = self._maps(weak[:count], independent(self.feature_rate))
            losses['loss_feature'] = self.weights['feature'] * self._consistency(maps, mine)
        losses['confident'] = mine.share(self.threshold)
        if all('truth' in sample for sample in samples[:count]):
            truth = torch.stack([_padded(sample.truth.data[0], weak) for sample in samples[:count]])
            losses.update(quality(mine, truth.to(mine.label), self.threshold))
        return losses

    def _check(self, labelled: Tensor, weak: Tensor, strong: list[Tensor]) -> None:
        if len(strong) != STRONG:
            raise SettingError(f'UniMatch: unlabelled pairs have {len(strong)} strong views, expected {STRONG}: set '
                               f'views={STRONG} of StrongViews in train_dataloader.dataset.unlabelled.pipeline.')
        if labelled.shape[-2:] != weak.shape[-2:]:
            raise SettingError(f'UniMatch: crops of labelled pairs are {tuple(labelled.shape[-2:])} px and those of '
                               f'unlabelled ones {tuple(weak.shape[-2:])} px (height, width); set one crop size in '
                               'both pipelines of train_dataloader.dataset.')
        if self.partner == 'second' and len(weak) % 2:
            raise SettingError(f"UniMatch: partner='second' halves the unlabelled pairs, but a batch has {len(weak)}; "
                               'set train_dataloader.sampler.ratio=2.')

    def _weighted(self, name: str, value: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        """Multiply a loss of the detector; what has no "loss" in its name is for the log."""
        if 'loss' not in name:
            return value
        weight = self.weights['supervised']
        return [weight * one for one in value] if isinstance(value, (list, tuple)) else weight * value

    def _pseudo_labels(self, weak: Tensor, ignore: Tensor, strong: list[Tensor]) -> tuple:
        """Return pseudo-labels and strong views: of the pairs that are trained with, and of their partners."""
        if self.partner == 'reversed':
            mine = self._predicted(weak, ignore, self.teacher_mode)
            return mine, PseudoLabels(*(value.flip(0) for value in mine)), strong, [view.flip(0) for view in strong]
        half = len(weak) // 2
        others = self._predicted(weak[half:], ignore[half:], 'eval')
        mine = self._predicted(weak[:half], ignore[:half], self.teacher_mode)
        return mine, others, [view[:half] for view in strong], [view[half:] for view in strong]

    @torch.no_grad()
    def _predicted(self, weak: Tensor, ignore: Tensor, mode: str) -> PseudoLabels:
        """Let the teacher predict the weak view."""
        model, mode = (self, mode) if self.teacher == 'self' else (self.__dict__['_average'], 'eval')
        if model is None:
            raise SettingError("UniMatch: teacher='ema' needs EMAHook in custom_hooks, whose average makes the "
                               'pseudo-labels.')
        before = model.training
        model.train(mode == 'train')
        logits = model.detector.encode_decode(weak, _metas(weak))
        model.train(before)
        return PseudoLabels.of(logits, ignore)

    def _maps(self, images: Tensor, drop: Callable[[Tensor], Tensor] | None) -> list[Tensor]:
        """Return the logits that are held against pseudo-labels, ``(N, C, H, W)`` each."""
        network = self.detector
        with nullcontext() if drop is None else dropped(find_fusions(network, self.fusion_names), drop):
            if not self.all_maps:
                return [network.encode_decode(images, _metas(images))]
            maps = network.decode_head.forward_maps(network.extract_feat(images))
        return [F.interpolate(logits, images.shape[-2:], mode='bilinear', align_corners=network.align_corners)
                for logits in maps]

    def _consistency(self, maps: Sequence[Tensor], pseudo: PseudoLabels) -> Tensor:
        return sum(consistency_loss(logits, pseudo, self.threshold) for logits in maps)


def _metas(images: Tensor) -> list[dict]:
    return [dict(img_shape=images.shape[-2:], ori_shape=images.shape[-2:]) for _ in images]


def _padded(truth: Tensor, images: Tensor) -> Tensor:
    """Extend a label to the size of the images, as the preprocessor has extended them; 255: unknown."""
    bottom, right = (wide - narrow for wide, narrow in zip(images.shape[-2:], truth.shape))
    return F.pad(truth, (0, right, 0, bottom), value=255)
