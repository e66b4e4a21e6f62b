"""Models and their parts. Backbones, necks, layers and losses need torch and mmengine; the rest needs mmseg."""

import importlib.util

from schanger_mm import registry  # noqa: F401  (first: without a stack, its error says how to install one)
from schanger_mm.models.backbones import SCN, DINOv2
from schanger_mm.models.data_parallel import CPUDataParallel
from schanger_mm.models.losses import BCEDiceLoss, SemanticLoss
from schanger_mm.models.necks import TFM, FPNDifference, PerDate, PyramidAdapter, TopDownFPN
from schanger_mm.models.weight_average import ForeachEMA

__all__ = ['SCN', 'TFM', 'BCEDiceLoss', 'CPUDataParallel', 'DINOv2', 'ForeachEMA', 'FPNDifference', 'PerDate',
           'PyramidAdapter', 'SemanticLoss',
           'TopDownFPN']

if importlib.util.find_spec('mmseg') is not None:
    from schanger_mm.models.data_preprocessor import BandsPreProcessor, BiTemporalPreProcessor
    from schanger_mm.models.decode_heads import MapDPTHead, SemanticChangeHead, SpatialConsistencyHead
    from schanger_mm.models.detectors import SiameseEncoderDecoder
    from schanger_mm.models.selfsup import DecoderFeatures, SaDL, SimSiam, TwoViews
    from schanger_mm.models.semi import UniMatch
    from schanger_mm.models.tta import ChangeTTAModel

    __all__ += [
        'BandsPreProcessor', 'BiTemporalPreProcessor', 'ChangeTTAModel', 'DecoderFeatures', 'MapDPTHead', 'SaDL',
        'SemanticChangeHead', 'SiameseEncoderDecoder', 'SimSiam', 'SpatialConsistencyHead', 'TwoViews', 'UniMatch',
    ]
