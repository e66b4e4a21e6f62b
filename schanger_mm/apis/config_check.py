"""Misspelt names in a config: registered types, and settings of the parts that they name."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.registry import Registry
from torch.utils.data import DataLoader

from schanger_mm import registry as own

_EVERYWHERE = {'type', '_scope_', '_delete_', 'init_cfg', 'data_preprocessor'}
_READ_BY_BUILDERS = {
    'optim_wrapper': {'constructor', 'paramwise_cfg', 'optimizer', 'dtype', 'loss_scale'},
    'param_scheduler': {'convert_to_iter_based'},
    'default_hooks': {'priority'},
    'custom_hooks': {'priority'},
}
_DATALOADER = {'dataset', 'sampler', 'batch_sampler', 'collate_fn', 'worker_init_fn', 'num_batch_per_epoch',
               'persistent_workers', 'disable_subprocess_warning'}
_CUTOFF = 0.8


class Misspelt(NamedTuple):
    """A name that nothing has."""

    word: str
    """As the file says it."""
    line: str
    """Where it stands in the config, and the nearest valid name."""


def nearest(word: str, choices: Iterable[str], cutoff: float = _CUTOFF) -> str | None:
    """Return the choice that ``word`` most likely stands for, None where none is like it."""
    return next(iter(difflib.get_close_matches(word, [str(choice) for choice in choices], n=1, cutoff=cutoff)), None)


def says(cfg: Config, word: str, path: str | os.PathLike) -> str:
    """Return which file has a word: the config's own as ``path`` names it, or one that it inherits.

    mmengine keeps the text of all of them, each under a line with its path,
    what is inherited before what inherits.
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
    """Find names that nothing has, where something has a name very much like it.

    What is unlike everything passes: it may belong to code that is imported
    later, and the part itself refuses a setting that it does not know.

    Args:
        cfg: a config.

    Yields:
        One for each.
    """
    scope = cfg.get('default_scope') or own.SCOPE
    for key, part in cfg.items():
        if key.endswith('_dataloader') and isinstance(part, Mapping):
            known = set(inspect.signature(DataLoader.__init__).parameters) - {'self'} | _DATALOADER
            yield from _unknown(key, part, known, key)
        for path, found, where in _typed(key, part, scope):
            yield from _check(path, found, where)


def _typed(path: str, part: object, scope: str) -> Iterator[tuple[str, Mapping, str]]:
    """Find what has a type, with its place in the config and the package whose names it takes."""
    if isinstance(part, Mapping):
        scope = part.get('_scope_') or scope  # mmengine notes it in what is inherited from another package
        if isinstance(part.get('type'), str) and not path.endswith('clip_grad'):  # 'norm' or 'value', of no registry
            yield path, part, scope
        for key, value in part.items():
            yield from _typed(f'{path}.{key}', value, scope)
    elif isinstance(part, (list, tuple)):
        for place, value in enumerate(part):
            yield from _typed(f'{path}.{place}', value, scope)


def _check(path: str, part: Mapping, scope: str) -> Iterator[Misspelt]:
    kind = _find(part['type'], scope)
    if kind is None:
        prefix, _, rest = part['type'].rpartition('.')
        if prefix and not any(prefix in registry.children for registry in _roots()):
            return  # of a package that is not here; mmengine says so
        names = _registered(scope, prefix)
        if near := nearest(rest, names, cutoff=0.6):
            yield Misspelt(part['type'], f'{path}.type: no part is registered as {part["type"]!r}; did you mean '
                                         f'{names[near]!r}?')
    elif (known := _settings_of(kind)) is not None:
        yield from _unknown(path, part, known | _READ_BY_BUILDERS.get(path.split('.')[0], set()), kind.__name__)


def _unknown(path: str, part: Mapping, known: set[str], owner: str) -> Iterator[Misspelt]:
    for key in part:
        if key not in known | _EVERYWHERE and (near := nearest(str(key), known)):
            yield Misspelt(str(key), f'{path}.{key}: {owner} has no setting {key!r}; did you mean {near!r}?')


def _find(name: str, scope: str):
    prefix = name.split('.')[0] if '.' in name else scope
    for registry in _roots():
        home = registry.children.get(prefix, registry)
        if (found := home.get(name.split('.')[-1] if home is not registry else name)) is not None:
            return found
    return None


def _registered(scope: str, prefix: str) -> dict[str, str]:
    """Map the name of every part, or of those of one package, to how a config of this scope names it."""
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
    """List mmengine's registries; those of other packages are their children."""
    return [registry for registry in vars(mmengine_registry).values() if isinstance(registry, Registry)]


def _settings_of(kind) -> set[str] | None:
    """Return the keyword arguments of a class, with those that it hands on to its bases; None if any would do."""
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
