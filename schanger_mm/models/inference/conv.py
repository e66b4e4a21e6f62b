"""A convolution as inference runs it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# oneDNN's names of the activations, and which variant of each
_FUSED = {None: ('none', ''), 'silu': ('swish', ''), 'gelu': ('gelu', 'none')}
_TYPICAL = 64  # px; oneDNN chooses the layout of packed weights for an input of this side, and takes any other too


class InferenceConv(nn.Conv2d):
    """Convolution, activation and an addition in one call.

    On a CPU the weights are laid out once as oneDNN wants them, and activation
    and addition happen while a result is in the cache: a 1x1 convolution of
    full-resolution maps takes half the time of :func:`F.conv2d` on the same
    memory format. Elsewhere the ordinary operators run, in place.

    Args:
        weight: ``(out, in / groups, k, k)``.
        bias: ``(out, )``.
        like: convolution whose stride, padding, dilation and groups these are.
        act: ``'silu'``, ``'gelu'`` or None.
        portable: ordinary operators only, out of place, as export and compilation need them.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, like: nn.Conv2d, act: str | None = None,
                 portable: bool = False):
        super().__init__(like.in_channels, like.out_channels, like.kernel_size, like.stride, like.padding,
                         like.dilation, like.groups, bias is not None, like.padding_mode, device='meta')
        self.weight = nn.Parameter(weight.detach().contiguous(), requires_grad=False)
        if bias is not None:
            self.bias = nn.Parameter(bias.detach(), requires_grad=False)
        self.act = act
        self.portable = portable
        self._packed: Tensor | None = None

    @classmethod
    def of(cls, conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None, act: str | None = None,
           portable: bool = False) -> InferenceConv:
        """Take over a convolution and fold the batch norm behind it into its weights."""
        weight, bias = conv.weight, conv.bias
        if norm is not None:
            scale, shift = affine(norm)
            weight = weight * scale[:, None, None, None]
            bias = shift if bias is None else bias * scale + shift
        return cls(weight, bias, conv, act, portable)

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """Map ``(N, in_channels, H, W)``; ``add``: added to the result, of its shape (then no activation)."""
        if self._packs(x):
            return self._run_packed(x, add)
        y = self._conv_forward(x, self.weight, self.bias)
        if add is not None:
            return y + add if self.portable else y.add_(add)
        if self.act == 'silu':
            return F.silu(y, inplace=not self.portable)
        return F.gelu(y) if self.act == 'gelu' else y

    def _packs(self, x: Tensor) -> bool:
        return (not self.portable and x.device.type == 'cpu' and x.dtype in (torch.float32, torch.bfloat16)
                and self.padding_mode == 'zeros' and not isinstance(self.padding, str)
                and torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled)

    def _run_packed(self, x: Tensor, add: Tensor | None) -> Tensor:
        if self._packed is None:
            size = (1, self.in_channels, _TYPICAL, _TYPICAL)
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, self.padding, self.stride, self.dilation, self.groups, size)
        geometry = (self.padding, self.stride, self.dilation, self.groups)
        run = torch.ops.mkldnn._convolution_pointwise
        if add is not None:
            return run.binary(x, add, self._packed, self.bias, *geometry, 'add', 1.0, None, [], None)
        if self.act == 'silu' and self.groups > 1:  # fused into a depthwise one it is slower than after it
            return F.silu(run(x, self._packed, self.bias, *geometry, 'none', [], ''), inplace=True)
        name, variant = _FUSED[self.act]
        return run(x, self._packed, self.bias, *geometry, name, [], variant)

    def _apply(self, fn, recurse: bool = True):
        self._packed = None  # other device or type
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict:
        """Leave the packed weights out: they cannot be copied."""
        return {**self.__dict__, '_packed': None}


def affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift ``(C, )`` that a batch norm is in eval mode; computed in float64."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    if norm.affine:
        shift = shift + norm.bias.double()
    return scale.to(norm.running_var.dtype), shift.to(norm.running_var.dtype)
