"""Names and shapes of the published SChanger checkpoints, and their mapping to ours and back.

Weights are renamed, never changed. The table below is the whole mapping; it
is read from left to right and from right to left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from schanger_mm.models.layers import ARCHS
from schanger_mm.utils.errors import SettingError

#: published name -> name here, segment by segment; ``{k}`` counts from 1 there and from 0 here.
_LEVEL = [
    ('encoder{k}', 'backbone.stages.{k}'),
    ('decoder{k}', 'decode_head.blocks.{k}'),
    ('head{k}.0.diff.0', 'decode_head.side_fusion.levels.{k}.proj'),
    ('head{k}.0.diff.1', 'decode_head.side_fusion.levels.{k}.norm'),
    ('head{k}.1.conv', 'decode_head.side_convs.{k}'),
    ('Bi{k}.0.attn.spatial_gating_unit.diff.diff.0', 'decode_head.attention_fusion.levels.{k}.proj'),
    ('Bi{k}.0.attn.spatial_gating_unit.diff.diff.1', 'decode_head.attention_fusion.levels.{k}.norm'),
    ('Bi{k}.0.attn.spatial_gating_unit.conv0', 'decode_head.scams.{k}.attention.local'),
    ('Bi{k}.0.attn.spatial_gating_unit.conv_spatial', 'decode_head.scams.{k}.attention.dilated'),
    ('Bi{k}.0.attn.spatial_gating_unit.conv1', 'decode_head.scams.{k}.attention.mix'),
    ('Bi{k}.0.attn.proj_1', 'decode_head.scams.{k}.proj_in'),
    ('Bi{k}.0.attn.proj_2', 'decode_head.scams.{k}.proj_out'),
    ('Bi{k}.0.mlp.dwconv.dwconv', 'decode_head.scams.{k}.mlp.depthwise'),
    ('Bi{k}.0.layer_scale_1', 'decode_head.scams.{k}.scale1'),
    ('Bi{k}.0.layer_scale_2', 'decode_head.scams.{k}.scale2'),
    ('Bi{k}.0', 'decode_head.scams.{k}'),
]
_PREFIXES = [('conv_1', 'backbone.stem'), ('head6.0.conv', 'decode_head.conv_seg')] + [
    (theirs.format(k=k + 1), ours.format(k=k)) for k in range(5) for theirs, ours in _LEVEL
]
#: inside an LFEM (after ``<stage>.<block>.``)
_LFEM = [('expand_conv', 'expand'), ('dwconv', 'depthwise'), ('project_conv', 'project'),
         ('se.conv_reduce', 'se.reduce'), ('se.conv_expand', 'se.expand')]
_LFEM_HOLDERS = ('encoder', 'decoder', 'backbone.stages', 'decode_head.blocks')


def _rename(name: str, prefixes: list[tuple[str, str]], inner: list[tuple[str, str]]) -> str | None:
    """Replace the first prefix that fits at a dot; None if none does."""
    for old, new in prefixes:
        if name == old or name.startswith(old + '.'):
            rest = name[len(old):]
            if old.startswith(_LFEM_HOLDERS):
                for before, after in inner:
                    rest = re.sub(rf'^(\.\d)\.{re.escape(before)}\.', rf'\1.{after}.', rest)
            return new + rest
    return None


def _flip(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(b, a) for a, b in pairs]


def to_ours(name: str) -> str | None:
    """Translate a published entry name; None if it is not one."""
    return _rename(name, _PREFIXES, _LFEM)


def to_published(name: str) -> str | None:
    """Translate one of our entry names; None if the published network has no such entry."""
    return _rename(name, _flip(_PREFIXES), _flip(_LFEM))


def widths_of(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Read the six widths from a state dict in our names.

    Raises:
        ValueError: the entries that define them are missing.
    """
    keys = ['backbone.stem.conv.weight', *(f'backbone.stages.{i}.0.project.conv.weight' for i in range(5))]
    missing = [key for key in keys if key not in state]
    if missing:
        raise SettingError(f'not a SChanger network: {missing} missing.')
    return tuple(state[key].shape[0] for key in keys)


def arch_name(widths: tuple[int, ...]) -> str:
    """Name six widths: ``'base'``, ``'small'`` or their list."""
    return next((name for name, known in ARCHS.items() if known == tuple(widths)), str(list(widths)))
