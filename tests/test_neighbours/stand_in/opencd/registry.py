"""Registries below mmengine's roots, scope ``opencd``."""

from mmengine import registry as root
from mmengine.registry import Registry


def _child(parent, *locations):
    return Registry(parent.name, parent=parent, scope='opencd', locations=list(locations))


MODELS = _child(root.MODELS, 'opencd.models')
DATASETS = _child(root.DATASETS, 'opencd.datasets')
TRANSFORMS = _child(root.TRANSFORMS, 'opencd.datasets')
DATA_SAMPLERS, HOOKS, LOOPS, METRICS, EVALUATOR, RUNNERS, LOG_PROCESSORS = (_child(parent) for parent in (
    root.DATA_SAMPLERS, root.HOOKS, root.LOOPS, root.METRICS, root.EVALUATOR, root.RUNNERS, root.LOG_PROCESSORS))
VISUALIZERS, VISBACKENDS, OPTIMIZERS, OPTIM_WRAPPERS, OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS, TASK_UTILS = (
    _child(parent) for parent in (
        root.VISUALIZERS, root.VISBACKENDS, root.OPTIMIZERS, root.OPTIM_WRAPPERS, root.OPTIM_WRAPPER_CONSTRUCTORS,
        root.PARAM_SCHEDULERS, root.TASK_UTILS))
