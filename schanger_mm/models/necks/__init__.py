"""Necks."""

from schanger_mm.models.necks.per_date import PerDate
from schanger_mm.models.necks.pyramid_adapter import PyramidAdapter
from schanger_mm.models.necks.tfm import TFM
from schanger_mm.models.necks.top_down_fpn import FPNDifference, TopDownFPN

__all__ = ['TFM', 'FPNDifference', 'PerDate', 'PyramidAdapter', 'TopDownFPN']
