"""Sums over all processes that gradients flow through."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def is_shared() -> bool:
    """Return whether there is another process to sum with."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def all_reduce_sum(x: Tensor) -> Tensor:
    """Add a tensor up over all processes, each of which must call this; one process gets its own back.

    The gradient is the sum of the gradients of all processes. So where each of
    them computes the loss of the joint batch from such sums, and the gradients
    of the parameters are averaged (as DistributedDataParallel does), they are
    those of one process with the joint batch.
    """
    return _AllReduceSum.apply(x) if is_shared() else x


class _AllReduceSum(torch.autograd.Function):
    # torch.distributed.nn's is deprecated since torch 2.13

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _AllReduceSum.apply(gradient)
