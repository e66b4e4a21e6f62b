"""Self-supervised pre-training: SaDL and its image-level control."""

from .background_swap import swap_background
from .decoder_features import DecoderFeatures
from .losses import consistency_loss, discrimination_loss
from .points import gather_points, map_points, sample_points
from .sadl import SaDL
from .simsiam import SimSiam
from .two_views import TwoViews, View

__all__ = [
    'DecoderFeatures', 'SaDL', 'SimSiam', 'TwoViews', 'View', 'consistency_loss', 'discrimination_loss',
    'gather_points', 'map_points', 'sample_points', 'swap_background',
]
