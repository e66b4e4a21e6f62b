"""Data sets of two dates and of one, and their transforms."""

from . import transforms
from .base import CheckedDataset
from .benchmarks import (
    BenchmarkDataset,
    CDDDataset,
    GZCDDataset,
    LEVIRCDDataset,
    LEVIRCDPlusDataset,
    S2LookingDataset,
    SYSUCDDataset,
    WHUCDDataset,
)
from .bitemporal import BiTemporalDataset
from .errors import DatasetError
from .folder import FolderCDDataset
from .samplers import SeededInfiniteSampler, SeededSampler
from .single import BuildingDataset, InriaDataset
from .synthetic.dataset import DemoDataset

__all__ = [
    'BenchmarkDataset', 'BiTemporalDataset', 'BuildingDataset', 'CDDDataset', 'CheckedDataset', 'DatasetError',
    'DemoDataset', 'FolderCDDataset', 'GZCDDataset', 'InriaDataset', 'LEVIRCDDataset', 'LEVIRCDPlusDataset',
    'S2LookingDataset', 'SYSUCDDataset', 'SeededInfiniteSampler', 'SeededSampler', 'WHUCDDataset', 'transforms',
]
