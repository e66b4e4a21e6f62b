"""Batch norm of a batch with both dates, with separate statistics for each date."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm


def norm_per_date(norm: nn.Module, x: Tensor, dates: int) -> Tensor:
    """Normalise the maps of each date as if ``norm`` were called once per date, date A first.

    In training mean and variance are those of one date, and the running
    statistics move once per date. In eval mode, and with ``dates=1``, this is
    ``norm(x)``.

    Args:
        norm: batch norm, plain or synchronised.
        x: ``(dates * N, C, H, W)``, all samples of date A, then those of date B.
        dates: number of dates in the batch.
    """
    if dates == 1 or not norm.training:
        return norm(x)
    several = x.numel() > dates * x.shape[1]  # torch's own norm rejects a single value per channel
    if several and _is_plain(norm) and not torch.compiler.is_compiling():
        norm.num_batches_tracked.add_(dates)
        return _NormPerDate.apply(x, norm.weight, norm.bias, norm.running_mean, norm.running_var, dates,
                                  norm.momentum, norm.eps)
    return torch.cat([norm(part) for part in x.chunk(dates)])


def set_dates(module: nn.Module, dates: int) -> bool:
    """Set the number of dates in a batch for every part below ``module``, if all of them support several.

    A batch norm does if the part that calls it uses :func:`norm_per_date` and
    thus has an attribute ``dates``. Parts that run again in the backward pass
    do not: they are meant to save memory, and one date needs half as much.

    Returns:
        Whether all of them do; otherwise nothing is changed.
    """
    parts = [part for part in module.modules() if hasattr(part, 'dates')]
    known = {id(child) for part in parts for child in part.children()}
    if any((isinstance(part, _BatchNorm) and id(part) not in known) or getattr(part, 'with_cp', False)
           for part in module.modules()):
        return False
    for part in parts:
        part.dates = dates
    return True


def part_dates(network: nn.Module) -> None:
    """Make a network run one date after the other, even if it supports both at once."""
    for part in network.modules():
        if hasattr(part, 'joint'):
            part.joint = False
        if hasattr(part, 'dates'):
            part.dates = 1


def _is_plain(norm: nn.Module) -> bool:
    return type(norm) is nn.BatchNorm2d and norm.affine and norm.track_running_stats and norm.momentum is not None


class _NormPerDate(torch.autograd.Function):
    """Writes the results of the dates into one tensor; only their gradients are copied to join them."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean, var, dates, momentum, eps):
        out = torch.empty_like(x)
        saved = []
        for part, target in zip(x.chunk(dates), out.chunk(dates)):
            of_date = weight.new_empty(0), weight.new_empty(0)
            torch.native_batch_norm(part, weight, bias, mean, var, True, momentum, eps, out=(target, *of_date))
            saved += of_date
        ctx.save_for_backward(x, weight, *saved)
        ctx.eps = eps
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x, weight, *saved = ctx.saved_tensors
        dates = len(saved) // 2
        if not gradient.is_contiguous(memory_format=torch.channels_last):
            gradient = gradient.contiguous(memory_format=torch.channels_last)
        # its form with out= computes new tensors as well, and copies each of the three
        of_dates = [torch.ops.aten.native_batch_norm_backward(
            grad, part, weight, None, None, saved[2 * date], saved[2 * date + 1], True, ctx.eps, [True] * 3)
            for date, (part, grad) in enumerate(zip(x.chunk(dates), gradient.chunk(dates)))]
        to_parameters = list(of_dates[0][1:])
        for _, *more in of_dates[1:]:
            to_parameters = torch._foreach_add(to_parameters, more)
        to_x = torch.cat([first for first, *_ in of_dates])
        return to_x, *to_parameters, None, None, None, None, None


class DateMaps:
    """Maps of both dates in one batch ``(2 N, C, H, W)``; a sequence of date A's and date B's maps.

    Args:
        stacked: all samples of date A, then those of date B.
    """

    def __init__(self, stacked: Tensor):
        self.stacked = stacked

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Tensor:
        return self.stacked.chunk(2)[index]
