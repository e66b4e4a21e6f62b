"""Test with the network's inference form."""

from __future__ import annotations

import copy

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn

from schanger_mm.registry import HOOKS


@HOOKS.register_module()
class InferenceFormHook(Hook):
    """Replace the network by its inference form while a test runs.

    Same probabilities within 1e-5 in float32, in a fraction of the time. A
    network without ``for_inference`` is tested as it is, and the log says so.
    Training and validation never see the form.

    Args:
        precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``.
    """

    priority = 'VERY_LOW'  # behind EMAHook, which swaps the averaged weights in

    def __init__(self, precision: str = 'fp32'):
        self.precision = precision
        self._network: nn.Module | None = None

    def before_test_epoch(self, runner) -> None:
        """Convert the network with the weights it has now."""
        self._network = runner.model
        runner.model = self._convert(runner.model)

    def after_test_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Put the network back."""
        runner.model = self._network

    def _convert(self, model: nn.Module) -> nn.Module:
        """Return the form without changing ``model``, to which other hooks keep references."""
        if is_model_wrapper(model):
            return self._convert(model.module)
        if isinstance(model, BaseTTAModel):
            views = copy.copy(model)
            views._modules = {**model._modules, 'module': self._convert(model.module)}
            return views
        if hasattr(model, 'for_inference'):
            return model.for_inference(self.precision)
        print_log(f'{type(model).__name__} has no inference form: tested unchanged.', logger='current')
        return model
