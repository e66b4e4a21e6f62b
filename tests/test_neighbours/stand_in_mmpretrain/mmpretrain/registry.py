"""Registry below mmengine's root, scope ``mmpretrain``."""

from mmengine.registry import MODELS as ROOT
from mmengine.registry import Registry

MODELS = Registry('model', parent=ROOT, scope='mmpretrain', locations=['mmpretrain.models'])
