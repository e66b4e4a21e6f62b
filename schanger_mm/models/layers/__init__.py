"""Building blocks of the network; they need torch only."""

from schanger_mm.models.layers.arch import ARCHS, resolve_arch
from schanger_mm.models.layers.drop_path import DropPath
from schanger_mm.models.layers.init import init_fan_out_
from schanger_mm.models.layers.lfem import LFEM, SqueezeExcite, conv_bn_act
from schanger_mm.models.layers.recompute import recompute
from schanger_mm.models.layers.scam import SCAM, SCLKA, ConvMLP

__all__ = [
    'ARCHS', 'LFEM', 'SCAM', 'SCLKA', 'ConvMLP', 'DropPath', 'SqueezeExcite', 'conv_bn_act',
    'init_fan_out_', 'recompute', 'resolve_arch'
]
