"""Backbones."""

from schanger_mm.models.backbones.dinov2 import DINOv2
from schanger_mm.models.backbones.scn import SCN

__all__ = ['DINOv2', 'SCN']
