"""Models and their parts. Backbones, necks, layers and losses need torch and mmengine; the rest mmseg."""

import importlib.util

from schanger_mm.models.backbones import SCN
from schanger_mm.models.losses import BCEDiceLoss
from schanger_mm.models.necks import TFM

__all__ = ['SCN', 'TFM', 'BCEDiceLoss']

if importlib.util.find_spec('mmseg') is not None:
    from schanger_mm.models.data_preprocessor import BiTemporalPreProcessor
    from schanger_mm.models.decode_heads import SpatialConsistencyHead
    from schanger_mm.models.detectors import SiameseEncoderDecoder

    __all__ += ['BiTemporalPreProcessor', 'SiameseEncoderDecoder', 'SpatialConsistencyHead']
