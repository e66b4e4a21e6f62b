"""Batch norm over the batches of all processes, on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from schanger_mm.models.layers.all_reduce import all_reduce_sum, is_shared
from schanger_mm.utils.errors import SettingError


class SyncNorm(_BatchNorm):
    """What torch's SyncBatchNorm, which works on GPUs only, computes.

    Mean and variance of ``(N, C, ...)`` run over the samples of all
    processes, which may hold different numbers of them, none included.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; in training every process must call this."""
        if not self.training or not is_shared():
            return super().forward(x)
        with torch.no_grad():
            mean, squares, count = _joint_statistics(x)
            if self.track_running_stats:
                self._track(mean, squares / max(count - 1, 1))
        return _Normalise.apply(x, self.weight, self.bias, mean, squares / count, count, self.eps)

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise SettingError(f'SyncNorm: an input of shape {tuple(x.shape)}; expected (N, C, ...).')

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)


def _joint_statistics(x: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return mean and sum of squared deviations per channel over all processes, and the number of samples."""
    dims = _all_but_channels(x)
    count = x.numel() // x.shape[1]
    mean = x.sum(dims) / max(count, 1)
    squares = (x - _per_channel(mean, x)).square_().sum(dims)
    own = torch.cat([mean, squares, x.new_tensor([count])])
    gathered = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(gathered, own)
    means, squares, counts = torch.stack(gathered).split([x.shape[1], x.shape[1], 1], dim=1)
    count = max(float(counts.sum()), 1.0)
    mean = (means * counts).sum(0) / count
    return mean, (squares + counts * (means - mean).square()).sum(0), count


class _Normalise(torch.autograd.Function):
    """The statistics depend on ``x`` of every process, which the backward pass takes into account."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean, variance, count, eps):
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt())
        ctx.count = count
        return torch.batch_norm(x, weight, bias, mean, variance, False, 0.0, eps, False)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x, weight, mean, scale = ctx.saved_tensors
        dims = _all_but_channels(x)
        normed = (x - _per_channel(mean, x)).mul_(_per_channel(scale, x))
        own = torch.stack([gradient.sum(dims), (gradient * normed).sum(dims)])
        means = all_reduce_sum(own) / ctx.count
        to_x = gradient - _per_channel(means[0], x) - normed.mul_(_per_channel(means[1], x))
        to_x *= _per_channel(scale if weight is None else scale * weight, x)
        to_weight = own[1] if ctx.needs_input_grad[1] else None
        to_bias = own[0] if ctx.needs_input_grad[2] else None
        return to_x, to_weight, to_bias, None, None, None, None


def on_the_cpu(module: nn.Module) -> nn.Module:
    """Put :class:`SyncNorm` in the place of every SyncBatchNorm of torch, parameters and statistics kept."""
    if isinstance(module, nn.SyncBatchNorm):
        norm = SyncNorm(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats)
        norm.weight, norm.bias = module.weight, module.bias
        norm.running_mean = module.running_mean
        norm.running_var = module.running_var
        norm.num_batches_tracked = module.num_batches_tracked
        return norm.train(module.training)
    for name, child in module.named_children():
        setattr(module, name, on_the_cpu(child))
    return module


def _all_but_channels(x: Tensor) -> list[int]:
    return [dim for dim in range(x.ndim) if dim != 1]


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    return values.view(1, -1, *[1] * (x.ndim - 2))
