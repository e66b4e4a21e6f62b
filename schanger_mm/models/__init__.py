"""Models and their parts. Backbones, necks, layers and losses need torch and mmengine; the rest mmseg."""

import importlib.util

from schanger_mm.models.backbones import SCN
from schanger_mm.models.data_parallel import CPUDataParallel
from schanger_mm.models.losses import BCEDiceLoss
from schanger_mm.models.necks import TFM, FPNDifference, TopDownFPN

__all__ = ['SCN', 'TFM', 'BCEDiceLoss', 'CPUDataParallel', 'FPNDifference', 'TopDownFPN']

if importlib.util.find_spec('mmseg') is not None:
    from schanger_mm.models.data_preprocessor import BiTemporalPreProcessor
    from schanger_mm.models.decode_heads import SpatialConsistencyHead
    from schanger_mm.models.detectors import ExportedDetector, SiameseEncoderDecoder
    from schanger_mm.models.selfsup import DecoderFeatures, SaDL, SimSiam, TwoViews
    from schanger_mm.models.tta import ChangeTTAModel

    __all__ += [
        'BiTemporalPreProcessor', 'ChangeTTAModel', 'DecoderFeatures', 'ExportedDetector', 'SaDL',
        'SiameseEncoderDecoder', 'SimSiam', 'SpatialConsistencyHead', 'TwoViews'
    ]
