"""Misspelt names in a config: registered types, and settings of the parts that they name."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import NamedTuple

from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.registry import Registry
from torch.utils.data import DataLoader

from schanger_mm.utils.text import nearest

_OWN = import_module('schanger_mm.registry')  # imported by name, as it is a later room: our parts must be registered
_EVERYWHERE = {'type', '_scope_', '_delete_', 'init_cfg', 'data_preprocessor'}
_READ_BY_BUILDERS = {
    'optim_wrapper': {'constructor', 'paramwise_cfg', 'optimizer', 'dtype', 'loss_scale'},
    'param_scheduler': {'convert_to_iter_based'},
    'default_hooks': {'priority'},
    'custom_hooks': {'priority'},
}
_DATALOADER = {'dataset', 'sampler', 'batch_sampler', 'collate_fn', 'worker_init_fn', 'num_batch_per_epoch',
               'persistent_workers', 'disable_subprocess_warning'}
_BUILT_BY_RUNNER = {'data_preprocessor', 'default_hooks', 'custom_hooks', 'log_processor', 'model', 'model_wrapper_cfg',
                    'optim_wrapper', 'param_scheduler', 'semi', 'test_cfg', 'train_cfg', 'tta_model', 'tta_pipeline',
                    'val_cfg', 'visualizer'}
_BUILT_BY_PARTS = {
    'act_cfg', 'attention', 'auxiliary_head', 'backbone', 'background_swap', 'batch_sampler', 'collate_fn', 'conv_cfg',
    'data_preprocessor', 'dataset', 'datasets', 'decode_head', 'detector', 'head', 'image_encoder', 'init_cfg',
    'labelled', 'loss', 'metrics', 'model', 'module', 'neck', 'norm_cfg', 'optimizer', 'pipeline', 'predictor',
    'projector', 'sampler', 'temporal_fusion', 'unlabelled', 'upsample_cfg', 'views', 'vis_backends'}
_BUILD_TRANSFORMS = 'mmcv.', 'mmengine.', 'schanger_mm.'


class Misspelt(NamedTuple):
    """An unrecognised name."""

    word: str
    """The name as written in the file."""
    line: str
    """Its place in the config, and the nearest valid name."""


def file_with(cfg: Config, word: str, path: str | os.PathLike) -> str:
    """Return the file that contains a word: the config itself, as ``path``, or one that it inherits.

    mmengine keeps the text of all of them, each below a line with its path,
    base configs first.
    """
    own, found, file = os.path.abspath(cfg.filename), None, None
    for line in cfg.text.splitlines():
        if os.path.isabs(line) and line.endswith(('.py', '.json', '.yaml', '.yml')):
            file = line
        elif re.search(rf'\b{re.escape(word)}\b', line.partition('#')[0]):
            found = file
    if found is None or os.path.abspath(found) == own:
        return str(path)
    return f'{os.path.normpath(found)}, which {path} inherits'


def misspelt(cfg: Mapping) -> Iterator[Misspelt]:
    """Find unrecognised names that are very similar to a valid name.

    What is unlike everything passes: it may belong to code that is imported
    later, and the part itself refuses a setting that it does not know. Only
    what a registry builds is judged: the ``transforms`` of ``mmseg.Albu`` are
    albumentations', and a part may have a table of its own for settings that
    no other part has.

    Args:
        cfg: a config.

    Yields:
        One item per name.
    """
    scope = cfg.get('default_scope') or _OWN.SCOPE
    for key, part in cfg.items():
        if key.endswith('_dataloader') and isinstance(part, Mapping):
            known = set(inspect.signature(DataLoader.__init__).parameters) - {'self'} | _DATALOADER
            yield from _unknown(key, part, known, key)
        if key in _BUILT_BY_RUNNER or key.endswith(('_dataloader', '_evaluator')):
            for path, found, scopes in _built(key, part, (scope, )):
                yield from _check(path, found, scopes)


def _built(path: str, part: object, scopes: tuple[str, ...]) -> Iterator[tuple[str, Mapping, tuple[str, ...]]]:
    """Find what a registry builds, with its place in the config and the packages whose names it takes."""
    if isinstance(part, (list, tuple)):
        for place, value in enumerate(part):
            yield from _built(f'{path}.{place}', value, scopes)
    elif isinstance(part, Mapping):
        if '_scope_' in part:  # mmengine notes it in what is inherited from another package
            scopes = (part['_scope_'], )
        has_type = isinstance(part.get('type'), str)
        if has_type:
            yield path, part, scopes
            prefix, _, _ = part['type'].rpartition('.')
            scopes = (*scopes, prefix) if prefix else scopes  # some parts look up names in their own package
        # several hooks or optimisers stand in a dict by names of the user's choice
        named = not has_type and path in ('default_hooks', 'optim_wrapper', 'optim_wrapper.optimizer')
        for key, value in part.items():
            if named or _is_built(key, part, scopes):
                yield from _built(f'{path}.{key}', value, scopes)


def _is_built(key: str, owner: Mapping, scopes: tuple[str, ...]) -> bool:
    """Whether a part builds what stands under a key through a registry."""
    if key == 'transforms':
        kind = _find(str(owner.get('type')), scopes)
        return kind is not None and kind.__module__.startswith(_BUILD_TRANSFORMS)
    return key in _BUILT_BY_PARTS or key.startswith('loss_') or key.endswith(('_head', '_loss'))


def _check(path: str, part: Mapping, scopes: tuple[str, ...]) -> Iterator[Misspelt]:
    kind = _find(part['type'], scopes)
    if kind is None:
        prefix, _, rest = part['type'].rpartition('.')
        if prefix and not any(prefix in registry.children for registry in _roots()):
            return  # of a package that is not here; mmengine says so
        names = _registered(scopes[0], prefix)
        if near := nearest(rest, names, cutoff=0.6):
            yield Misspelt(part['type'], f'{path}.type: no part is registered as {part["type"]!r}; did you mean '
                                         f'{names[near]!r}?')
    elif (known := _settings_of(kind)) is not None:
        yield from _unknown(path, part, known | _READ_BY_BUILDERS.get(path.split('.')[0], set()), kind.__name__)


def _unknown(path: str, part: Mapping, known: set[str], owner: str) -> Iterator[Misspelt]:
    for key in part:
        if key not in known | _EVERYWHERE and (near := nearest(str(key), known)):
            yield Misspelt(str(key), f'{path}.{key}: {owner} has no setting {key!r}; did you mean {near!r}?')


def _find(name: str, scopes: Iterable[str]):
    for prefix in [name.split('.')[0]] if '.' in name else scopes:
        for registry in _roots():
            home = registry.children.get(prefix, registry)
            if (found := _look_up(home, name.split('.')[-1] if home is not registry else name)) is not None:
                return found
    return None


def _look_up(registry: Registry, name: str):
    """Return a part; for a name without dots, ``Registry.get`` would also try to import a module of that name."""
    if '.' in name:
        return registry.get(name)
    registry.import_from_location()
    while registry is not None and name not in registry.module_dict:
        registry = registry.parent
    return registry and registry.module_dict[name]


def _registered(scope: str, prefix: str) -> dict[str, str]:
    """Map the name of every part, or of one package's parts, to the name that a config of this scope uses."""
    names: dict[str, str] = {}
    for registry in _roots():
        for package, child in registry.children.items():
            if package != scope and prefix in ('', package):
                names.update({name: f'{package}.{name}' for name in child.module_dict})
    if not prefix:
        for registry in _roots():
            home = registry.children.get(scope, registry)
            names.update({name: name for name in {**registry.module_dict, **home.module_dict}})
    return names


def _roots() -> list[Registry]:
    """List mmengine's root registries; those of other packages are their children."""
    return [registry for registry in vars(mmengine_registry).values() if isinstance(registry, Registry)]


def _settings_of(kind) -> set[str] | None:
    """Return the keyword arguments of a class and those passed on to its bases; None if it accepts any."""
    known: set[str] = set()
    classes = kind.__mro__ if inspect.isclass(kind) else (kind, )
    for each in classes:
        function = each.__dict__.get('__init__') if inspect.isclass(each) else each
        if function is None or function is object.__init__:
            continue
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # built in
            return None
        known |= {parameter.name for parameter in parameters}
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            return known
    return known
