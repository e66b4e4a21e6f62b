"""Necks."""

from schanger_mm.models.necks.tfm import TFM

__all__ = ['TFM']
