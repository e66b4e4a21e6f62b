"""Registries of this package: children of mmengine's roots, scope ``schanger_mm``.

``locations`` lists the modules that a registry imports before its first
look-up, so components are found without explicit imports. Registries without
``locations`` hold nothing of ours yet; they exist because mmengine looks up
every kind in the default scope first and warns if it has no registry.

mmengine imports this module when it finds the prefix ``schanger_mm.`` in a
config, whichever registry builds the part, and every module with a component of
ours imports it. So everything that must be set up before a build is done here.
"""

from importlib import import_module
from importlib.util import find_spec

from schanger_mm.config import compat

compat.prepare()  # first: without a stack, its error says how to install one

from mmengine import registry as root  # noqa: E402
from mmengine.registry import Registry  # noqa: E402

# Some networks read checkpoints while they are built. Imported by name: checkpoints/ is a later room.
import_module('schanger_mm.checkpoints.mmengine_loader').guard_mmengine()

SCOPE = 'schanger_mm'


def _child(parent: Registry, *locations: str) -> Registry:
    return Registry(parent.name, parent=parent, scope=SCOPE, locations=list(locations))


# An exported network replaces a detector of mmseg, which layers and backbone do not need.
EXPORTED = ('schanger_mm.deploy.exported_detector', ) if find_spec('mmseg') else ()

MODELS = _child(root.MODELS, 'schanger_mm.models', *EXPORTED)
MODEL_WRAPPERS = _child(root.MODEL_WRAPPERS, 'schanger_mm.models')
DATASETS = _child(root.DATASETS, 'schanger_mm.datasets', 'schanger_mm.demo.scenes.dataset')
DATA_SAMPLERS = _child(root.DATA_SAMPLERS, 'schanger_mm.datasets')
TRANSFORMS = _child(root.TRANSFORMS, 'schanger_mm.datasets.transforms')
HOOKS = _child(root.HOOKS, 'schanger_mm.engine.hooks')
METRICS = _child(root.METRICS, 'schanger_mm.evaluation')
TASK_UTILS = _child(root.TASK_UTILS, 'schanger_mm.models')
VISUALIZERS = _child(root.VISUALIZERS, 'schanger_mm.visualization')

EVALUATOR = _child(root.EVALUATOR)
LOG_PROCESSORS = _child(root.LOG_PROCESSORS)
LOOPS = _child(root.LOOPS)
OPTIM_WRAPPERS = _child(root.OPTIM_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child(root.OPTIM_WRAPPER_CONSTRUCTORS, 'schanger_mm.engine.merged_groups')
OPTIMIZERS = _child(root.OPTIMIZERS)
PARAM_SCHEDULERS = _child(root.PARAM_SCHEDULERS)
RUNNERS = _child(root.RUNNERS)
VISBACKENDS = _child(root.VISBACKENDS)
WEIGHT_INITIALIZERS = _child(root.WEIGHT_INITIALIZERS)
