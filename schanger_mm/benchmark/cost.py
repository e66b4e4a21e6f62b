"""What one call has to compute and to move, counted without running it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils.flop_counter import FlopCounterMode

from schanger_mm.benchmark.subject import Subject, channels, dates

_BACKWARD = 3  # a layer runs once forward, once for its input's gradient, once for its weights'


@dataclass(frozen=True)
class Cost:
    """Cost of one call, forward and, in training, backward.

    Args:
        dates: images of one input.
        flops: floating-point operations of convolutions and matrix products, two per multiply-accumulate.
        values: numbers that convolutions and linear layers read and write when they run one after the other,
            each reading its input and weights and writing its output once.
    """

    dates: int
    flops: int
    values: int


def count_cost(subject: Subject, task: str, batch: int, size: int) -> Cost:
    """Count on torch's ``meta`` device, which has shapes and no data.

    Raises:
        ValueError: the network does not take inputs of this size, or has layers without a ``meta`` form.
    """
    model = subject.build().to('meta')
    values = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal values
        values += inputs[0].numel() + output.numel() + sum(parameter.numel() for parameter in layer.parameters())

    for module in model.modules():
        if isinstance(module, (_ConvNd, nn.Linear)):
            module.register_forward_hook(count)
    shape = batch, channels(model), size, size
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(torch.empty(shape, device='meta'), mode='tensor')
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        raise ValueError(f'{subject.name}: its network does not run on inputs of {shape}: {error}') from error
    times = 1 if task == 'inference' else _BACKWARD
    return Cost(dates(model), times * counter.get_total_flops(), times * values)
