"""From a pre-training checkpoint to the initial weights of another network."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor

from schanger_mm.apis.convert import ConversionError, write_weights
from schanger_mm.checkpoints import read_weights
from schanger_mm.engine.load_report_hook import summary
from schanger_mm.registry import MODELS, SCOPE

ENCODER = ('backbone', 'neck')
"""What self-supervised pre-training shares with a detector."""


def transfer(state: Mapping[str, Tensor], target: Mapping[str, Tensor], parts: Sequence[str] = ENCODER) -> dict:
    """Pick the entries of ``state`` that ``target`` has too, under the names of ``target``.

    A pre-trained neck fills the target's neck, or, where the target has none
    of these names there, its decode head: SChanger's decoder is a neck while
    there is no task.

    Args:
        state: entries of the pre-training checkpoint.
        target: entries of the network to initialise.
        parts: first parts of the names that may be taken.

    Returns:
        The entries to load.

    Raises:
        ConversionError: an entry fits by name and not by shape, or nothing fits.
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
    if wrong:
        raise ConversionError(f'{len(wrong)} entries have another shape than in the config, for example '
                              f'{"; ".join(wrong[:3])}. Check the size (arch, depth, channels) of both networks.')
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
        parts: first parts of the names that may be taken.
        overwrite: replace ``dst`` where it exists.

    Returns:
        What was taken, what is new in the network, what of the checkpoint was
        left, and how to use the file.

    Raises:
        CheckpointError: ``src`` cannot be read.
        ConversionError: nothing fits, shapes differ, or ``dst`` cannot be
            written.
    """
    state = read_weights(src)
    with DefaultScope.overwrite_default_scope(SCOPE), torch.device('meta'), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # mmseg's advice on losses: only names and shapes are wanted here
        target = MODELS.build({**cfg.model, 'data_preprocessor': None}).state_dict()
    try:
        taken = transfer(state, target, parts)
    except ConversionError as error:
        raise ConversionError(f'{src} for {config}: {error}') from error
    out = Path(dst) if dst else Path(src).with_name(f'{Path(src).stem}_det.pth')
    write_weights(out, taken, overwrite)
    new = [name for name in target if name not in taken]
    used = {name for name in state if name in taken or f'decode_head.{name.partition(".")[2]}' in taken}
    left = [name for name in state if name not in used]
    return (f'{out}: {len(taken)} of {len(target)} entries of {config}\n'
            f'  taken: {summary(taken, target)}\n  new:   {summary(new, target)}\n  left:  {summary(left, state)}\n'
            f'use it: python tools/train.py {config} --cfg-options load_from={out}')


def _parts(state: Mapping[str, Tensor]) -> str:
    return ', '.join(sorted({name.partition('.')[0] for name in state}))
