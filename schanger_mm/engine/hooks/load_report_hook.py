"""Report which entries a checkpoint filled, and reject one that does not fit."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop

from schanger_mm.checkpoints.entries import summary
from schanger_mm.registry import HOOKS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.text import first_of

CONVERT_HINT = ('Its names are those of the published SChanger files: convert it first with '
                '`schanger convert`.')


@HOOKS.register_module()
class LoadReportHook(Hook):
    """Compare a checkpoint's entries with the model before mmengine loads it by name.

    mmengine loads the entries that fit, whatever is missing. This hook reports
    the rest. Training from ``load_from`` logs one line::

        initial weights from work_dirs/sadl.pth: 598 of 638 entries taken; new: decode_head.attention_fusion
        (20 entries), decode_head.side_fusion (20 entries); left: none

    and raises an error if a shape differs, or if fewer than half of the
    checkpoint's names are in the model. Validation and test require that all
    entries match. Resuming is not checked.

    Args:
        expected_new: name prefixes of the only entries that may be new when
            training starts from ``load_from``, for instance
            ``['decode_head.attention_fusion', 'decode_head.side_fusion']``.
            None allows anything.

    Raises:
        ValueError: the checkpoint does not fit; the message names entries,
            shapes and what to do.
    """

    priority = 'VERY_HIGH'  # before EMAHook, which loads a copy of the same checkpoint

    def __init__(self, expected_new: Sequence[str] | None = None):
        if isinstance(expected_new, str):
            raise SettingError(f'LoadReportHook: expected_new={expected_new!r}; expected a list of prefixes.')
        self.expected_new = None if expected_new is None else tuple(expected_new)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Check the checkpoint; mmengine calls this after reading the file and before filling the model."""
        if runner._resume:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        state = checkpoint.get('state_dict', checkpoint)
        there = {re.sub(r'^module\.', '', name): _shape(value) for name, value in state.items()}
        here = {name: _shape(value) for name, value in model.state_dict().items()}
        by_hand = runner._has_loaded or runner._load_from is None  # such a call has no path
        source = 'the checkpoint' if by_hand else runner._load_from
        self._refuse_misfits(source, there, here)

        new, left = [name for name in here if name not in there], [name for name in there if name not in here]
        report = (f'{len(here) - len(new)} of {len(here)} entries taken; new: {summary(new, here)}; '
                  f'left: {summary(left, there)}')
        if not isinstance(runner._train_loop, BaseLoop):
            if new or left:
                raise SettingError(
                    f'{source} does not fit the network that is to be tested: {report}. New entries would '
                    'stay random, the others be dropped. Test with the config that it was trained with; '
                    'weights of a pre-training have to be fine-tuned first (`schanger train` with load_from).')
            return
        self._refuse_unexpected(source, new, here)
        own = model.state_dict()
        state.update({name: own[name] for name in new})  # or mmengine warns about expected entries
        print_log(f'initial weights from {source}: {report}', logger='current',
                  level=logging.WARNING if left else logging.INFO)

    @staticmethod
    def _refuse_misfits(source: str, there: dict, here: dict) -> None:
        common = [name for name in there if name in here]
        if 2 * len(common) < len(there) or not there:
            hint = CONVERT_HINT if any(name.startswith('encoder1.') for name in there) else (
                'Check load_from, and the model of the config.')
            raise SettingError(
                f'{source} looks like another network: only {len(common)} of its {len(there)} entries are '
                f'known here. It has {first_of(list(there), most=6)}; the model has '
                f'{first_of(list(here), most=6)}. {hint}')
        wrong = [f'{name}: checkpoint {there[name]}, model {here[name]}'
                 for name in common if there[name] != here[name]]
        bands = [name for name in common if len(there[name]) == len(here[name]) == 4
                 and there[name][1] != here[name][1] and there[name][::2] == here[name][::2]]
        if wrong and len(wrong) == len(bands) == 1:
            raise SettingError(
                f'{source} is for images of {there[bands[0]][1]} bands, and model.backbone.in_channels is '
                f'{here[bands[0]][1]}. Use weights for as many bands, or add '
                "dict(type='InflateBandsHook') to custom_hooks, by which a training starts from weights for colours.")
        if wrong:
            raise SettingError(
                f'{source}: {len(wrong)} of {len(there)} entries have another shape than in the model. A '
                "checkpoint of the other size? Check arch ('base' or 'small') of backbone and head. "
                + first_of(wrong, '; '))

    def _refuse_unexpected(self, source: str, new: list[str], here: dict) -> None:
        if self.expected_new is None:
            return
        surprise = [name for name in new
                    if not any(name == p or name.startswith(p.rstrip('.') + '.') for p in self.expected_new)]
        if surprise:
            raise SettingError(
                f'{source} does not hold {summary(surprise, here)}; only '
                f'{", ".join(self.expected_new) or "nothing"} may be new (expected_new of LoadReportHook). '
                'Use another checkpoint, or extend the list.')


def _shape(value) -> tuple[int, ...]:
    return tuple(getattr(value, 'shape', ()))
