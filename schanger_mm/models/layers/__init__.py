"""Building blocks of the network; they need torch and mmengine."""

from schanger_mm.models.layers.all_reduce import all_reduce_sum, is_shared
from schanger_mm.models.layers.arch import ARCHS, resolve_arch
from schanger_mm.models.layers.build import build_part
from schanger_mm.models.layers.date_norm import DateMaps, norm_per_date, part_dates, set_dates
from schanger_mm.models.layers.drop_path import DropPath
from schanger_mm.models.layers.init import init_fan_out_
from schanger_mm.models.layers.lfem import LFEM, SqueezeExcite, conv_bn_act
from schanger_mm.models.layers.recompute import recompute
from schanger_mm.models.layers.scam import SCAM, SCLKA, ConvMLP, SharedAttention
from schanger_mm.models.layers.sync_norm import SyncNorm, on_the_cpu

__all__ = [
    'ARCHS', 'LFEM', 'SCAM', 'SCLKA', 'ConvMLP', 'DateMaps', 'DropPath', 'SharedAttention', 'SqueezeExcite', 'SyncNorm',
    'all_reduce_sum', 'build_part', 'conv_bn_act', 'init_fan_out_', 'is_shared', 'norm_per_date', 'on_the_cpu',
    'part_dates', 'recompute', 'resolve_arch', 'set_dates'
]
