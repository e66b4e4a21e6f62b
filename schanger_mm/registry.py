"""Registries of this package: children of mmengine's roots, scope ``schanger_mm``.

``locations`` name the modules that a registry imports before its first
look-up, so a component is found without anybody importing it by hand.
"""

from mmengine import registry as root
from mmengine.registry import Registry

SCOPE = 'schanger_mm'

MODELS = Registry('model', parent=root.MODELS, scope=SCOPE, locations=['schanger_mm.models'])
DATASETS = Registry('dataset', parent=root.DATASETS, scope=SCOPE, locations=['schanger_mm.datasets'])
TRANSFORMS = Registry(
    'transform', parent=root.TRANSFORMS, scope=SCOPE, locations=['schanger_mm.datasets.transforms'])
HOOKS = Registry('hook', parent=root.HOOKS, scope=SCOPE, locations=['schanger_mm.engine'])
METRICS = Registry('metric', parent=root.METRICS, scope=SCOPE, locations=['schanger_mm.evaluation'])
VISUALIZERS = Registry(
    'visualizer', parent=root.VISUALIZERS, scope=SCOPE, locations=['schanger_mm.visualization'])
