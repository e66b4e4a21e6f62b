"""The moving average of a network's weights, in one call for all of them."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn

from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError


@MODELS.register_module()
class ForeachEMA(ExponentialMovingAverage):
    """mmengine's exponential moving average with the same results, in one call instead of one per tensor.

    A constant ``momentum`` remembers a constant number of updates, ``1 / momentum``: in a run that is not much longer
    than that, the average lags far behind the weights. With ``memory`` it remembers a share of the updates done so
    far instead, until that is ``1 / momentum``; so it is right for a run of any length.

    Args:
        *args: those of mmengine's.
        memory: share of the updates done so far that the average remembers, above 0; with 1 it is the mean of
            all. None for a constant ``momentum``.
        **kwargs: those of mmengine's.

    Raises:
        SettingError: ``memory`` is not above 0, or above 1.
    """

    def __init__(self, *args: Any, memory: float | None = None, **kwargs: Any) -> None:
        if memory is not None and not 0 < memory <= 1:
            raise SettingError(f'ForeachEMA: memory={memory!r}; expected a share, above 0, up to 1, or None.')
        super().__init__(*args, **kwargs)
        self.memory = memory
        self._updates = 0  # self.steps as a number: the tensor may be on a GPU, and reading it would wait

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``, and with ``update_buffers`` its buffers.

        Integer buffers keep the values of the first update, as with mmengine.
        """
        first = self._updates == 0
        if first or self._updates % self.interval == 0:
            source = model.state_dict() if self.update_buffers else dict(model.named_parameters())
            names = [name for name, value in self.avg_parameters.items() if first or value.is_floating_point()]
            average = [self.avg_parameters[name].detach() for name in names]
            new = [source[name].detach().to(value.device) for name, value in zip(names, average)]
            if first:
                torch._foreach_copy_(average, new)
            else:
                torch._foreach_lerp_(average, new, self._momentum_now())
        if not self.update_buffers and (buffers := list(model.buffers())):
            torch._foreach_copy_(list(self.module.buffers()), buffers)
        self._updates += 1
        self.steps.fill_(self._updates)

    def _momentum_now(self) -> float:
        if self.memory is None:
            return self.momentum
        return max(self.momentum, 1 / (1 + self.memory * (self._updates // self.interval)))

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self._updates = int(self.steps)
