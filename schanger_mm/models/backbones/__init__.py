"""Backbones."""

from schanger_mm.models.backbones.scn import SCN

__all__ = ['SCN']
