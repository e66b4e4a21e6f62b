"""Convert published SChanger checkpoints to ours and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from schanger_mm.checkpoints import CheckpointError, read_checkpoint, write_safetensors
from schanger_mm.checkpoints.lineage import lineage_meta
from schanger_mm.checkpoints.published_layout import arch_name, to_ours, to_published, widths_of
from schanger_mm.checkpoints.reading import PUBLISHED
from schanger_mm.models.backbones.scn import stride_of
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.utils.files import refuse_existing, whole_file
from schanger_mm.utils.text import first_of


class ConversionError(CheckpointError):
    """A checkpoint cannot be converted."""


def write_weights(path: str | Path, state: Mapping[str, Tensor], overwrite: bool = False,
                  meta: Mapping | None = None) -> None:
    """Write a state dict completely or not at all: ``.safetensors``, or ``.pth`` with a ``state_dict``.

    ``meta``, made of plain values, is written beside it.

    Raises:
        ConversionError: its suffix is neither of the two.
        ExistsError: the file exists and ``overwrite`` is not set.
    """
    path = Path(path)
    if path.suffix not in ('.pth', '.safetensors'):
        raise ConversionError(f'{path}: the file to write must end in .pth or .safetensors.')
    refuse_existing(path, overwrite=overwrite)
    with whole_file(path) as partial:
        if path.suffix == '.safetensors':
            write_safetensors(partial, state, {PUBLISHED: json.dumps(meta)} if meta else None)
        else:
            torch.save({'state_dict': dict(state), **(dict(meta=dict(meta)) if meta else {})}, partial)


def network(arch: str | tuple[int, ...], num_dates: int) -> nn.Module:
    """Build SChanger for one or two dates, without a config."""
    with DefaultScope.overwrite_default_scope(SCOPE):
        return MODELS.build(
            dict(
                type='SiameseEncoderDecoder',
                num_dates=num_dates,
                backbone=dict(type='SCN', arch=arch),
                decode_head=dict(
                    type='SpatialConsistencyHead',
                    arch=arch,
                    temporal_fusion=dict(type='TFM') if num_dates == 2 else None),
                test_cfg=dict(mode='whole')))


def convert_file(src: str, dst: str, back: bool = False, overwrite: bool = False) -> str:
    """Convert the checkpoint ``src`` to ``dst``; ``back``: from our names to the published ones.

    Weights and lineage are written, nothing else.

    Returns:
        A summary of what was written.

    Raises:
        CheckpointError: ``src`` cannot be read.
        ConversionError: ``src`` cannot be converted.
        ExistsError: ``dst`` exists.
    """
    read = read_checkpoint(src)
    state = read.weights
    try:
        renamed, kind = mm_to_published(state) if back else published_to_mm(state)
    except ConversionError as error:
        raise ConversionError(f'{src}: {error}') from error
    write_weights(dst, renamed, overwrite, lineage_meta(read.content, src))
    return f'{dst}: {kind}, {len(renamed)} entries.'


def published_to_mm(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Rename a published state dict; size and number of dates are read from its shapes.

    Returns:
        The state dict in our names, and a description of it.

    Raises:
        ConversionError: entries are unknown, missing or of the wrong shape; all
            of them are listed.
    """
    renamed = _rename(state, to_ours, 'a published SChanger checkpoint')
    return renamed, _check(renamed, to_published)


def mm_to_published(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Undo :func:`published_to_mm`; the same errors."""
    if (stride := stride_of(state)) > 1:
        raise ConversionError(f'its network has model.backbone.stride={stride}, which the published layout and the '
                              "authors' network do not know.")
    renamed = _rename(state, to_published, 'a checkpoint of this project')
    return renamed, _check(state, lambda name: name)


def _rename(state: Mapping[str, Tensor], translate: Callable[[str], str | None], what: str) -> dict[str, Tensor]:
    unknown = [name for name in state if translate(name) is None]
    if unknown:
        raise ConversionError(
            f'not {what}: {len(unknown)} of {len(state)} entries are unknown: {first_of(unknown)}. '
            'The other direction is --back.')
    return {translate(name): value for name, value in state.items()}  # type: ignore[misc]


def _check(state: Mapping[str, Tensor], in_their_words: Callable[[str], str | None]) -> str:
    """Compare a state dict in our names with the network that its shapes describe."""
    try:
        widths = widths_of(state)
    except ValueError as error:
        raise ConversionError(str(error)) from error
    num_dates = 2 if any('_fusion.' in name for name in state) else 1
    with torch.device('meta'):
        expected = network(widths, num_dates).state_dict()
    problems = []
    if missing := [str(in_their_words(name)) for name in expected if name not in state]:
        problems.append(f'{len(missing)} entries are missing: {first_of(missing)}')
    if extra := [str(in_their_words(name)) for name in state if name not in expected]:
        problems.append(f'{len(extra)} entries are too many: {first_of(extra)}')
    for name in expected.keys() & state.keys():
        if expected[name].shape != state[name].shape:
            problems.append(f'{in_their_words(name)} has shape {tuple(state[name].shape)}, '
                            f'expected {tuple(expected[name].shape)}')
    kind = f'SChanger-{arch_name(widths)}, {"two dates" if num_dates == 2 else "single-temporal"}'
    if problems:
        raise ConversionError(f'looks like {kind}, but ' + '; '.join(sorted(problems)) + '.')
    return kind
