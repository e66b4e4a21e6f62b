"""SChanger and SaDL: change detection from few labelled pairs, for the OpenMMLab stack."""

from schanger_mm.version import __version__

__all__ = ['__version__']
