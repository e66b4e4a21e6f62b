"""Make the initial weights of another network from a pre-training checkpoint."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor

from schanger_mm.checkpoints import read_checkpoint
from schanger_mm.checkpoints.convert import ConversionError, write_weights
from schanger_mm.checkpoints.entries import summary
from schanger_mm.checkpoints.hub import is_address
from schanger_mm.checkpoints.lineage import lineage_meta
from schanger_mm.config.building import build
from schanger_mm.models.backbones.scn import stride_of
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.utils.text import first_of

ENCODER = ('backbone', 'neck')
"""Parts that self-supervised pre-training shares with a detector."""


def transfer(state: Mapping[str, Tensor], target: Mapping[str, Tensor], parts: Sequence[str] = ENCODER) -> dict:
    """Pick the entries of ``state`` that ``target`` also has, under the names of ``target``.

    A pre-trained neck fills the target's neck or, if the target's neck has none
    of these names, its decode head: in pre-training without a task, SChanger's
    decoder is a neck.

    Args:
        state: entries of the pre-training checkpoint.
        target: entries of the network to initialise.
        parts: name prefixes that may be taken.

    Returns:
        The entries to load.

    Raises:
        ConversionError: an entry fits by name but not by shape, SCN has another stride, or nothing fits.
    """
    taken, wrong = {}, []
    for name, value in state.items():
        part, _, rest = name.partition('.')
        places = [name, f'decode_head.{rest}'] if part == 'neck' else [name]
        place = next((place for place in places if part in parts and place in target), None)
        if place is not None and target[place].shape != value.shape:
            wrong.append(f'{name} {tuple(value.shape)} does not fit {place} {tuple(target[place].shape)}')
        elif place is not None:
            taken[place] = value
    trained, own = stride_of(state), stride_of(target)
    if 'backbone.stem.conv.weight' in taken and trained != own:
        raise ConversionError(f'the encoder was trained with model.backbone.stride={trained}, and that of the config '
                              f'has {own}, to which objects have another size; set it to {trained}.')
    if wrong:
        raise ConversionError(f'{len(wrong)} entries have another shape than in the config: '
                              f'{first_of(wrong, "; ", most=3)}. Check the size (arch, depth, channels) of both '
                              'networks.')
    if not taken:
        raise ConversionError(f'none of the {len(state)} entries fits: of the checkpoint ({_parts(state)}) '
                              f'{", ".join(parts)} may be taken (--parts), the network of the config has '
                              f'{_parts(target)}.')
    return taken


def transfer_file(src: str, config: str, cfg: Config, dst: str | None = None, parts: Sequence[str] = ENCODER,
                  overwrite: bool = False) -> str:
    """Write the initial weights of a config's network from a pre-training checkpoint.

    Args:
        src: checkpoint of SaDL, of its controls, or of any training.
        config: path of the config, for messages.
        cfg: the config that will load the result.
        dst: file to write, ``<src>_det.pth`` by default.
        parts: name prefixes that may be taken.
        overwrite: replace ``dst`` if it exists.

    Returns:
        Which entries were taken, which are new in the network, which of the
        checkpoint were not used, and how to use the file.

    Raises:
        CheckpointError: ``src`` cannot be read.
        ConversionError: nothing fits, shapes differ, or ``dst`` cannot be
            written.
    """
    if dst is None and is_address(src):
        raise ConversionError(f'{src}: name the file to write with --out.')
    read = read_checkpoint(src)
    state = read.weights
    meta = lineage_meta(read.content, src)
    with DefaultScope.overwrite_default_scope(SCOPE), torch.device('meta'), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # mmseg's advice on losses: only names and shapes are needed here
        target = build(MODELS, {**cfg.model, 'data_preprocessor': None}).state_dict()
    try:
        taken = transfer(state, target, parts)
    except ConversionError as error:
        raise ConversionError(f'{src} for {config}: {error}') from error
    out = Path(dst) if dst else Path(src).with_name(f'{Path(src).stem}_det.pth')
    write_weights(out, taken, overwrite, meta)
    new = [name for name in target if name not in taken]
    used = {name for name in state if name in taken or f'decode_head.{name.partition(".")[2]}' in taken}
    left = [name for name in state if name not in used]
    return (f'{out}: {len(taken)} of {len(target)} entries of {config}\n'
            f'  taken: {summary(taken, target)}\n  new:   {summary(new, target)}\n  left:  {summary(left, state)}\n'
            f'use it: schanger train {config} --cfg-options load_from={out}')


def _parts(state: Mapping[str, Tensor]) -> str:
    return ', '.join(sorted({name.partition('.')[0] for name in state}))
