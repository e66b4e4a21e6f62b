"""Transforms: loading and checking, one draw for both dates, geometry, colours, packing."""

from .both_dates import ForBothDates
from .formatting import PackBiTemporalInputs
from .geometric import PadToSize, RandomAffine, RandomScale, RandomTranspose
from .loading import LoadBiTemporalImages, LoadChangeLabel, LoadImage, LoadSemanticLabels
from .photometric import (
    BandGain,
    BrightnessContrast,
    ColourJitter,
    Emboss,
    GaussianBlur,
    GaussianNoise,
    HueSaturationValue,
    MotionBlur,
    RandomGamma,
)
from .views import AddIgnoreMask, LoadTruth, PackViews, StrongViews

__all__ = [
    'AddIgnoreMask', 'BandGain', 'BrightnessContrast', 'ColourJitter', 'Emboss', 'ForBothDates', 'GaussianBlur',
    'GaussianNoise', 'HueSaturationValue', 'LoadBiTemporalImages', 'LoadChangeLabel', 'LoadImage',
    'LoadSemanticLabels', 'LoadTruth', 'MotionBlur', 'PackBiTemporalInputs', 'PackViews', 'PadToSize',
    'RandomAffine', 'RandomGamma', 'RandomScale', 'RandomTranspose', 'StrongViews',
]
