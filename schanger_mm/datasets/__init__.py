"""Data sets of two dates and of one, and their transforms."""

from schanger_mm import registry  # noqa: F401  (first: without a stack, its error says how to install one)
from schanger_mm.utils.errors import DatasetError

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
from .concat import ConcatDataset
from .folder import FolderCDDataset
from .oscd import OSCDDataset
from .samplers import SeededInfiniteSampler, SeededSampler, SemiSampler
from .semantic import LandsatSCDDataset, SECONDDataset, SemanticChangeDataset
from .semi import SemiDataset
from .single import BuildingDataset, InriaDataset

__all__ = [
    'BenchmarkDataset', 'BiTemporalDataset', 'BuildingDataset', 'CDDDataset', 'CheckedDataset', 'ConcatDataset',
    'DatasetError', 'FolderCDDataset', 'GZCDDataset', 'InriaDataset', 'LEVIRCDDataset', 'LEVIRCDPlusDataset',
    'LandsatSCDDataset', 'OSCDDataset', 'S2LookingDataset', 'SECONDDataset', 'SYSUCDDataset',
    'SeededInfiniteSampler', 'SeededSampler', 'SemanticChangeDataset', 'SemiDataset', 'SemiSampler', 'WHUCDDataset',
    'transforms',
]
