"""Dropout of whole channels where a detector fuses its dates, switched on for single forward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.necks import TFM
from schanger_mm.utils.errors import SettingError

Drop = Callable[[Tensor], Tensor]


def independent(rate: float) -> Drop:
    """Return the dropout of channels with this rate, as ``nn.Dropout2d`` (UniMatch V1)."""
    return lambda features: F.dropout2d(features, rate, training=True)


def complementary(pairs: int) -> Drop:
    """Return complementary dropout for a batch of two views of ``pairs`` pairs, view 1 of all of them first.

    A channel is doubled in one view and zero in the other; which of the two is drawn once for all maps of as many
    channels. Half of the pairs (rounded down), drawn once, stay undropped.

    Source: UniMatch V2, arXiv 2410.10777, section 3.3; one draw for all maps: the published code, whose maps have
    equally many channels.

    Args:
        pairs: number of pairs.
    """
    spared = torch.randperm(pairs)[:pairs // 2]
    masks: dict[int, Tensor] = {}

    def drop(features: Tensor) -> Tensor:
        if len(features) != 2 * pairs:
            raise SettingError(f'UniMatch.fusion: a map of {len(features)} samples where the dates are fused; expected '
                               f'one per view, {2 * pairs}. Name a part whose output holds both dates of a pair once.')
        channels = features.shape[1]
        if channels not in masks:
            mask = torch.bernoulli(torch.full((pairs, channels), 0.5)) * 2
            mask[spared] = 1
            masks[channels] = torch.cat([mask, 2 - mask])[..., None, None]
        return features * masks[channels].to(features)

    return drop


def find_fusions(detector: nn.Module, names: Sequence[str] | str | None = None) -> list[nn.Module]:
    """Return the parts after whose output features are dropped.

    Args:
        detector: the network.
        names: names of parts, as in ``detector.named_modules()``; None: every
            temporal fusion module (SChanger), or else the neck (difference networks).

    Raises:
        SettingError: there is no such part, or none that could be meant; or it runs again in the backward pass.
    """
    parts = dict(detector.named_modules())
    if names is None:
        names = [name for name, part in parts.items() if isinstance(part, TFM)]
        names = names or [name for name in ('neck', ) if name in parts]
    names = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in names if name not in parts]
    if unknown or not names:
        missing = ', '.join(unknown) or 'that fuses'
        raise SettingError(f'UniMatch.fusion: {type(detector).__name__} has no part {missing}'
                           "; name the parts whose output joins both dates, such as fusion=['neck'] or "
                           "['decode_head.side_fusion'].")
    recomputed = any(getattr(part, 'with_cp', False) for part in detector.modules())
    if recomputed and any('attention_fusion' in name for name in names):
        raise SettingError('UniMatch.fusion: features cannot be dropped in decode_head.attention_fusion when the head '
                           'computes its blocks again (with_cp=True); set model.decode_head.with_cp=False or '
                           "semi.fusion=['decode_head.side_fusion'].")
    found: list[nn.Module] = []
    for name in names:
        part = parts[name]
        found += part.levels if isinstance(part, TFM) else [part]  # a head calls the levels one by one
    return found


@contextmanager
def dropped(fusions: Sequence[nn.Module], drop: Drop) -> Iterator[None]:
    """Apply ``drop`` to every map ``(N, C, H, W)`` that the parts return within the block.

    Raises:
        SettingError: none of the parts ran, or one returned something else than maps.
    """
    calls = []

    def change(part: nn.Module, _: object, output: object) -> object:
        calls.append(part)
        return _changed(output, drop, type(part).__name__)

    handles = [part.register_forward_hook(change) for part in fusions]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if not calls:
        raise SettingError(f'UniMatch.fusion: {", ".join(sorted({type(part).__name__ for part in fusions}))} did not '
                           'run, so nothing was dropped; name parts that the detector calls.')


def _changed(output: object, drop: Drop, name: str) -> object:
    if isinstance(output, Tensor) and output.ndim == 4:
        return drop(output)
    if isinstance(output, (list, tuple)):
        return type(output)(_changed(item, drop, name) for item in output)
    raise SettingError(f'UniMatch.fusion: {name} returns {type(output).__name__}; expected maps (N, C, H, W).')
