"""Registries of this package: children of mmengine's roots, scope ``schanger_mm``.

``locations`` name the modules that a registry imports before its first
look-up, so a component is found without anybody importing it by hand. The
kinds without one hold nothing of ours yet; they exist because mmengine looks
every kind up in the default scope first and warns where it has no registry.
"""

from mmengine import registry as root
from mmengine.registry import Registry

SCOPE = 'schanger_mm'


def _child(parent: Registry, *locations: str) -> Registry:
    return Registry(parent.name, parent=parent, scope=SCOPE, locations=list(locations))


MODELS = _child(root.MODELS, 'schanger_mm.models')
MODEL_WRAPPERS = _child(root.MODEL_WRAPPERS, 'schanger_mm.models')
DATASETS = _child(root.DATASETS, 'schanger_mm.datasets')
DATA_SAMPLERS = _child(root.DATA_SAMPLERS, 'schanger_mm.datasets')
TRANSFORMS = _child(root.TRANSFORMS, 'schanger_mm.datasets.transforms')
HOOKS = _child(root.HOOKS, 'schanger_mm.engine')
METRICS = _child(root.METRICS, 'schanger_mm.evaluation')
TASK_UTILS = _child(root.TASK_UTILS, 'schanger_mm.models')
VISUALIZERS = _child(root.VISUALIZERS, 'schanger_mm.visualization')

EVALUATOR = _child(root.EVALUATOR)
LOG_PROCESSORS = _child(root.LOG_PROCESSORS)
LOOPS = _child(root.LOOPS)
OPTIM_WRAPPERS = _child(root.OPTIM_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child(root.OPTIM_WRAPPER_CONSTRUCTORS)
OPTIMIZERS = _child(root.OPTIMIZERS)
PARAM_SCHEDULERS = _child(root.PARAM_SCHEDULERS)
RUNNERS = _child(root.RUNNERS)
VISBACKENDS = _child(root.VISBACKENDS)
WEIGHT_INITIALIZERS = _child(root.WEIGHT_INITIALIZERS)
