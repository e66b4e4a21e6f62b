"""Data sets of two dates and of one, and their transforms."""

from . import transforms
from .base import CheckedDataset
from .bitemporal import BiTemporalDataset
from .errors import DatasetError
from .folder import FolderCDDataset
from .levir import LEVIRCDDataset
from .single import BuildingDataset, InriaDataset

__all__ = [
    'BiTemporalDataset', 'BuildingDataset', 'CheckedDataset', 'DatasetError', 'FolderCDDataset',
    'InriaDataset', 'LEVIRCDDataset', 'transforms',
]
