"""Start a network of any number of bands from the weights of one for colour images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop
from torch import Tensor

from schanger_mm.registry import HOOKS
from schanger_mm.utils.band_order import COLOUR_BANDS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.text import first_of

WAYS = ('mean', 'zero')


@HOOKS.register_module()
class InflateBandsHook(Hook):
    """Give the first convolution of ``load_from`` as many input channels as the network has bands.

    It acts when a training starts from ``load_from`` with weights of three bands; weights with the network's own
    number stay as they are, which the log says.

    Args:
        rgb: numbers, from 1, of the network's bands that are red, green and blue, which take over the weights of these
            colours; None: none of them is, and every band gets the mean of the three.
        others: what the other bands start from. ``'mean'``: the mean of the three colours, and all weights are
            multiplied by 3 / C, so that the output keeps its size. ``'zero'``: 0, so that the network computes at first
            what it did with the colours alone.

    Raises:
        SettingError: other settings, or the network and the weights do not differ in one convolution.
    """

    priority = 'HIGHEST'  # before LoadReportHook, which compares shapes

    def __init__(self, rgb: Sequence[int] | None = None, others: str = 'mean'):
        self.rgb, self.others = None if rgb is None else tuple(rgb), others
        numbers = rgb is None or (len(set(rgb)) == len(rgb) == COLOUR_BANDS and min(rgb) > 0)
        if not numbers or others not in WAYS or (rgb is None and others == 'zero'):
            raise SettingError(f'InflateBandsHook: expected rgb=(4, 3, 2), the numbers of the red, green and blue band '
                               f"from 1, or None with others='mean', and others 'mean' or 'zero'; found rgb={rgb}, "
                               f'others={others!r}.')

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Replace the weights in the checkpoint, which is not written."""
        if runner._resume or not isinstance(runner._train_loop, BaseLoop):
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        state = checkpoint.get('state_dict', checkpoint)
        own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        found = _convolutions(state, own)
        if len(found) == 1:
            name, bands = found[0]
            state[name] = self.inflate(state[name], bands)
            print_log(f'{name} takes {bands} bands: {self._worded()}', logger='current')
        elif found or any(name in own and tuple(value.shape) != own[name] for name, value in state.items()):
            raise SettingError(
                'InflateBandsHook: expected weights that differ from the network in the input channels of one '
                f'convolution, found {first_of([name for name, _ in found]) or "none, but other shapes that differ"}. '
                'Load weights of this network for colour images.')
        else:
            print_log('InflateBandsHook: the initial weights are not those of colour images; they stay as they are',
                      logger='current')

    def inflate(self, weight: Tensor, bands: int) -> Tensor:
        """Return the weights ``(out, bands, h, w)`` from those of red, green and blue, ``(out, 3, h, w)``.

        Raises:
            SettingError: ``rgb`` names a band that there is not.
        """
        mean = weight.mean(dim=1, keepdim=True)
        if self.rgb is not None and max(self.rgb) > bands:
            raise SettingError(f'InflateBandsHook.rgb={self.rgb}: the network has {bands} bands.')
        result = mean.repeat(1, bands, 1, 1) if self.others == 'mean' else torch.zeros_like(mean.repeat(1, bands, 1, 1))
        for colour, band in enumerate(self.rgb or ()):
            result[:, band - 1] = weight[:, colour]
        return result * (COLOUR_BANDS / bands) if self.others == 'mean' else result

    def _worded(self) -> str:
        colours = 'no band is red, green or blue' if self.rgb is None else f'red, green, blue are {self.rgb}'
        return f'{colours}, the others start from {"their mean" if self.others == "mean" else "0"}'


def _convolutions(state: Mapping[str, Tensor], own: Mapping[str, tuple[int, ...]]) -> list[tuple[str, int]]:
    """Return names of convolutions of three input channels where the network has more or fewer, and how many."""
    found = []
    for name, value in state.items():
        shape, wanted = tuple(value.shape), own.get(name, ())
        if len(shape) == len(wanted) == 4 and shape[1] == COLOUR_BANDS != wanted[1] and shape[::2] == wanted[::2]:
            found.append((name, wanted[1]))
    return found
