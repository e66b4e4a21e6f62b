"""The authors' weight initialisation."""

import math

from torch import nn


def init_fan_out_(module: nn.Module) -> None:
    """Initialise every convolution and norm below ``module`` in place.

    Convolutions are drawn from a normal distribution with standard deviation
    ``sqrt(2 / (k * k * out / groups))`` and zero bias; norms start at weight 1
    and bias 0. Learned layer scales keep their initial value.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels // layer.groups
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / fan_out))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, (nn.BatchNorm2d, nn.LayerNorm)):
            if layer.weight is not None:
                nn.init.ones_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
