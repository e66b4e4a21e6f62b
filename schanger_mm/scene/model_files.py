"""Where a scene's network comes from: a checkpoint's own config, and the published checkpoints by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from mmengine import registry
from mmengine.config import Config
from torch import nn

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
LARGEST = 1e300
"""Of the statistics in a config; numbers of Python have no bound."""
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


def other_statistics(checkpoint: str | Path, config_name: str, preprocessor: nn.Module) -> list[str]:
    """Say where the config in a checkpoint normalises images in another way than a network that was built for it.

    Args:
        checkpoint: whose config, where it holds a readable one, is looked at.
        config_name: of the config that the network was built of.
        preprocessor: the network's, with ``mean``, ``std`` and ``bgr_to_rgb``.
    """
    meta = read_checkpoint(checkpoint).get('meta')
    text = meta.get('cfg') if isinstance(meta, dict) else None
    try:
        values = config_values(text) if isinstance(text, str) else {}
    except ValueError:  # more than plain values; nothing can be said of it
        return []
    model = values.get('model')
    own = (model.get('data_preprocessor') if isinstance(model, dict) else None) or values.get('data_preprocessor')
    used = dict(mean=preprocessor.mean.flatten().tolist(), std=preprocessor.std.flatten().tolist(),
                bgr_to_rgb=bool(getattr(preprocessor, 'bgr_to_rgb', False)))
    return [f'{config_name} has the {key} {in_words(value)}, and {checkpoint} was trained with '
            f'{in_words(own[key]):.300}: its probabilities will be off; predict with the config of its training.'
            for key, value in used.items()
            if isinstance(own, dict) and key in own and in_words(own[key]) != in_words(value)]


def in_words(value: object) -> str:
    """Word a setting of a stranger's config: numbers to five digits, also those that Python refuses to write out."""
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(in_words, value))}]'
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f'{value:.5g}' if abs(value) < LARGEST else 'a number beyond all bounds'


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
