"""Self-supervised pre-training: SaDL and its image-level control."""

from .background_swap import BackgroundSwap
from .decoder_features import DecoderFeatures
from .losses import ConsistencyLoss, DiscriminationLoss
from .points import ClassPointSampler, gather_points, map_points
from .sadl import SaDL
from .simsiam import SimSiam
from .two_views import TwoViews, View

__all__ = [
    'BackgroundSwap', 'ClassPointSampler', 'ConsistencyLoss', 'DecoderFeatures', 'DiscriminationLoss', 'SaDL',
    'SimSiam', 'TwoViews', 'View', 'gather_points', 'map_points',
]
