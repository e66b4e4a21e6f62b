"""Where a scene's network comes from: a checkpoint's own config, and the published checkpoints by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from mmengine import registry
from mmengine.config import Config

from schanger_mm.apis.fetch import SETS, SIZES, fetch_published
from schanger_mm.checkpoints import config_values, read_checkpoint
from schanger_mm.registry import SCOPE
from schanger_mm.scene.errors import SceneError

CONFIGS = ('configs/schanger', 'schanger_mm/.mim/configs/schanger')
"""In a checkout; in an installed package."""
SCOPES = ('schanger_mm', 'mmseg', 'opencd')
"""Registries that a checkpoint's config may name. Not mmpretrain's: some of its parts fetch code by name and run it."""
KINDS = (registry.MODELS, registry.TASK_UTILS, registry.WEIGHT_INITIALIZERS)
"""What networks are built of."""
LOADERS = {'ExportedDetector', 'TIMMBackbone', 'VPD'}
"""Parts that read other files while they are built."""
BUILT = ('model', 'data_preprocessor')
"""Settings of a config that loading its network builds."""


def config_of(checkpoint: str | Path) -> Config:
    """Read the config that mmengine keeps in a training checkpoint, without running code.

    mmengine writes it as Python and would read it by executing it; here it is
    taken only where it is plain values, and where the types it names are
    registered ones: a registry would import and call any other name.

    Raises:
        CheckpointError: the file cannot be read.
        SceneError: it holds no config, or one that could run code.
    """
    meta = read_checkpoint(checkpoint).get('meta')
    text = meta.get('cfg') if isinstance(meta, dict) else None
    ask = 'name a config as MODEL and this file by --weights'
    if not isinstance(text, str):
        raise SceneError(f'{checkpoint} holds weights but no config, as converted ones do; {ask}.')
    try:
        values = config_values(text)
    except ValueError as error:
        raise SceneError(f'{checkpoint}: its config is not made of plain values ({error}), and a checkpoint must not '
                         f'run code; {ask}.') from error
    scope = values.get('default_scope') or SCOPE
    foreign = [scope] if scope not in SCOPES else []
    for part in (values.get(key) or {} for key in BUILT):
        if not isinstance(part, dict):  # a list of pairs would become one later
            raise SceneError(f'{checkpoint}: its {" or ".join(BUILT)} is no dict; {ask}.')
        foreign += [name for where, name in _types({'_scope_': scope, **part}) if not _registered(where, name)]
    if foreign:
        raise SceneError(f'{checkpoint}: its config asks for {foreign[0]}, expected what is registered in '
                         f'{", ".join(SCOPES)}; {ask}, if you trust it.')
    try:
        return Config(values)
    except KeyError as error:
        raise SceneError(f'{checkpoint}: its config has names of mmengine\'s own ({error}); {ask}.') from error


def sets() -> list[str]:
    """Names of the data sets that published change detectors were trained on."""
    return [name for name in SETS if name != 'pretrain']


def published_name(name: str) -> bool:
    """Whether ``name`` is SET-SIZE of a published change detector, such as ``levir-base``."""
    data_set, _, size = name.rpartition('-')
    return data_set in sets() and size in SIZES


def published_config(name: str) -> Path:
    """Path of the config of a published checkpoint.

    Raises:
        SceneError: the configs are neither in a checkout nor in the package.
    """
    data_set, _, size = name.rpartition('-')
    file = f'{data_set}{"_small" if size == "small" else ""}.py'
    root = Path(__file__).resolve().parents[2]
    places = [root / folder / file for folder in CONFIGS]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise SceneError(f'{name}: its config is missing: {" or ".join(map(str, places))}; name a config as MODEL '
                         f'with --weights {name}.')
    return found


def published_weights(name: str) -> Path:
    """Path of a published checkpoint in our form, fetched by :func:`fetch_published` unless it is there."""
    data_set, _, size = name.rpartition('-')
    out = Path(f'checkpoints/schanger_{size}_{data_set}_mm.pth')
    fetch_published(data_set, size, out)
    return out.resolve()  # workers of Dask may run in another folder


def _types(node: object, scope: str = SCOPE) -> Iterator[tuple[str, str]]:
    """Yield the registry and the name of every part of a config."""
    if isinstance(node, dict):
        scope = str(node.get('_scope_') or scope)
        if 'type' in node:
            yield scope, str(node['type'])
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for item in node:
            yield from _types(item, scope)


def _registered(scope: str, name: str) -> bool:
    own, _, kind = name.rpartition('.')
    scope = own or scope
    if scope not in SCOPES or kind in LOADERS:
        return False
    try:
        importlib.import_module(f'{scope}.registry')
    except ImportError:
        return False
    for root in KINDS:
        child = root.children.get(scope)
        if child is not None:
            child.import_from_location()
        if any(kind in place.module_dict for place in (root, child) if place is not None):
            return True
    return False
