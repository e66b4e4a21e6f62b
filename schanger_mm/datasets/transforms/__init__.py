"""Transforms: loading and checking, one draw for both dates, geometry, colours, packing."""

from .both_dates import ForBothDates
from .formatting import PackBiTemporalInputs
from .geometric import RandomAffine, RandomTranspose
from .loading import LoadBiTemporalImages, LoadChangeLabel, LoadImage
from .photometric import (
    BrightnessContrast,
    ColourJitter,
    Emboss,
    GaussianNoise,
    HueSaturationValue,
    MotionBlur,
    RandomGamma,
)

__all__ = [
    'BrightnessContrast', 'ColourJitter', 'Emboss', 'ForBothDates', 'GaussianNoise', 'HueSaturationValue',
    'LoadBiTemporalImages', 'LoadChangeLabel', 'LoadImage', 'MotionBlur', 'PackBiTemporalInputs',
    'RandomAffine', 'RandomGamma', 'RandomTranspose',
]
