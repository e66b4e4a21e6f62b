"""DistributedDataParallel on the CPU."""

from __future__ import annotations

import warnings

from mmengine.model import MMDistributedDataParallel
from torch import nn

from schanger_mm.models.layers import on_the_cpu
from schanger_mm.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class CPUDataParallel(MMDistributedDataParallel):
    """mmengine's wrapper for a network whose synchronised batch norms work without a GPU.

    Args:
        module: the network.
        **kwargs: those of mmengine's wrapper.
    """

    def __init__(self, module: nn.Module, **kwargs):
        # depthwise weights count as two layouts although their memory is the same
        warnings.filterwarnings('ignore', message='Grad strides do not match bucket view strides')
        with warnings.catch_warnings():  # torch 2.13 announces a new name, which older versions do not have
            warnings.filterwarnings('ignore', message='`broadcast_buffers`')
            super().__init__(module=on_the_cpu(module), **kwargs)
