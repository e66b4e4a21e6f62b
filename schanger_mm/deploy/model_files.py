"""Sources of a scene's network: a checkpoint's own config, and the published checkpoints by name."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmengine import registry
from mmengine.config import Config
from torch import nn

from schanger_mm.checkpoints import Checkpoint, CheckpointError, read_checkpoint
from schanger_mm.checkpoints.fetch import SETS, SIZES, TERMS, fetch_published
from schanger_mm.checkpoints.hub import is_address
from schanger_mm.config.image_reading import changed_reading
from schanger_mm.config.loading import load_config, unwrap_detector
from schanger_mm.config.names import is_config, is_short_name
from schanger_mm.geo.errors import SceneError
from schanger_mm.registry import SCOPE

CONFIGS = ('configs/schanger', 'schanger_mm/.mim/configs/schanger')
"""Folders of configs: in a checkout, in an installed package."""
SCOPES = ('schanger_mm', 'mmseg', 'opencd')
"""Registries that a checkpoint's config may use. Not mmpretrain's: some of its parts download and run code."""
KINDS = (registry.MODELS, registry.TASK_UTILS, registry.WEIGHT_INITIALIZERS)
"""Registries of the parts of networks."""
LOADERS = {'ExportedDetector', 'TIMMBackbone', 'VPD'}
"""Parts that read other files while they are built."""
LARGEST = 1e300
"""Limit for statistics in a config; Python's integers have none."""
OPTIONS = ('MODEL', '--weights')
"""What a user calls a network and its weights."""
BUILT = ('model', 'data_preprocessor')
"""Settings of a config that are built when its network is loaded."""


@dataclass(frozen=True)
class NamedModel:
    """A network that a user has named, before it is built.

    Args:
        cfg: its config.
        checkpoint: its weights.
        config_name: where the config came from.
        names: with which another process opens the same: MODEL, and weights if it is a config.
    """

    cfg: Config
    checkpoint: Checkpoint
    config_name: str
    names: tuple[str, str | None]


def open_named(model: str, weights: str | None = None, options: tuple[str, str] = OPTIONS) -> NamedModel:
    """Read config and weights of a network by one or two names.

    Args:
        model: a config, by file or name, which needs ``weights``; a checkpoint of our training, which holds its
            config; a model of the hub, ``hf://org/name[@revision]``, or a folder with the same files; or a published
            checkpoint such as ``'levir-base'``, downloaded if it is missing.
        weights: checkpoint file, model of the hub, or the name of a published checkpoint.
        options: what a user calls these two, for messages.

    Raises:
        SceneError, ConfigError, CheckpointError, FetchError, DownloadError: the message says why.
    """
    asked, option = options
    if published_name(model):
        if weights is not None:
            raise SceneError(f'{asked} {model} is a published checkpoint; omit {option} {weights}.')
        model, weights = str(published_config(model)), model
    path = Path(model)
    if is_config(model) or (weights is not None and is_short_name(model)):
        if weights is None:
            published = ' (or a published checkpoint, such as --weights levir-base)' if options == OPTIONS else ''
            raise SceneError(f'{model} is a config: give its weights with {option} FILE{published}.')
        cfg = load_config(model)
        checkpoint = read_checkpoint(published_weights(weights) if published_name(weights) else weights)
        return NamedModel(cfg, checkpoint, model, (model, checkpoint.label))
    if weights is not None:
        raise SceneError(f'{asked} {model}: with {option} it must be a config: a file that ends in .py, or the '
                         'name of one that comes with the package, such as levir.')
    if not is_address(model) and not path.exists():
        raise SceneError(f'no model {model}: expected a config (.py), a checkpoint (.pth) of `schanger train`, '
                         'an export (.onnx, .xml), a model of the Hugging Face hub (hf://ORG/NAME), or a published one '
                         f'(SET-base or SET-small; the sets are {", ".join(sets())}).')
    checkpoint = read_checkpoint(model)
    return NamedModel(config_of(checkpoint, options), checkpoint, f'{checkpoint.label} (its own config)',
                      (checkpoint.label, None))


def config_of(checkpoint: Checkpoint, options: tuple[str, str] = OPTIONS) -> Config:
    """Return the config that mmengine keeps in a training checkpoint, without running code.

    mmengine writes it as Python and would execute it to read it; here it is
    accepted only if it consists of plain values and its types are registered:
    a registry would import and call any other name.

    Raises:
        SceneError: there is no config, or one that could run code.
    """
    path = checkpoint.label
    ask = f'name a config as {options[0]} and {"this model" if checkpoint.name else "this file"} with {options[1]}'
    if not checkpoint.has_config:
        reason = f'; {checkpoint.note}' if checkpoint.note else ', as converted ones do'
        raise SceneError(f'{path} holds weights but no config{reason}; {ask}.')
    try:
        values = checkpoint.config()
    except CheckpointError as error:
        raise SceneError(f'{error}; {ask}.') from error
    unwrap_detector(values)
    scope = values.get('default_scope') or SCOPE
    foreign = [scope] if scope not in SCOPES else []
    for part in (values.get(key) or {} for key in BUILT):
        if not isinstance(part, dict):  # a list of pairs would become a dict later
            raise SceneError(f'{path}: its {" or ".join(BUILT)} is not a dict; {ask}.')
        foreign += [name for where, name in _types({'_scope_': scope, **part}) if not _registered(where, name)]
    if foreign:
        raise SceneError(f'{path}: its config asks for {foreign[0]}, expected what is registered in '
                         f'{", ".join(SCOPES)}; {ask}, if you trust it.')
    try:
        return Config(values)
    except KeyError as error:
        raise SceneError(f'{path}: its config has names of mmengine\'s own ({error}); {ask}.') from error


def other_statistics(checkpoint: Checkpoint, config_name: str, preprocessor: nn.Module,
                     cfg: Config | None = None) -> list[str]:
    """List differences in normalisation and reading between the config in a checkpoint and a network built for it.

    Args:
        checkpoint: the checkpoint; its config is compared if it can be read.
        config_name: name of the config that the network was built from.
        cfg: this config.
        preprocessor: preprocessor of the network, with ``mean``, ``std`` and ``bgr_to_rgb``.
    """
    values = checkpoint.config_if_plain()
    model = values.get('model')
    own = (model.get('data_preprocessor') if isinstance(model, dict) else None) or values.get('data_preprocessor')
    used = dict(mean=preprocessor.mean.flatten().tolist(), std=preprocessor.std.flatten().tolist(),
                bgr_to_rgb=reverses_bands(preprocessor))
    return [f'{config_name} has the {key} {in_words(value)}, and {checkpoint.path} was trained with '
            f'{in_words(own[key]):.300}: its probabilities will be off; predict with the config of its training.'
            for key, value in used.items()
            if isinstance(own, dict) and key in own and in_words(own[key]) != in_words(value)
            ] + ([] if cfg is None else other_reading(checkpoint, config_name, cfg))


def other_reading(checkpoint: Checkpoint, config_name: str, cfg: Config) -> list[str]:
    """List differences in how images are read between the config in a checkpoint and another one.

    Args:
        checkpoint: the checkpoint; its config is compared if it can be read.
        config_name: name of the other config.
        cfg: this config.
    """
    return [f'{config_name} loads images with {key}={in_words(used)}, and {checkpoint.path} was trained with '
            f'{in_words(own):.300}: its probabilities will be off; set it as in the training.'
            for key, own, used in changed_reading(checkpoint.config_if_plain(), cfg)]


def reverses_bands(preprocessor: nn.Module) -> bool:
    """Return whether a preprocessor turns B, G, R into R, G, B; ours, mmengine's and mmseg's name it differently."""
    return any(bool(getattr(preprocessor, name, False))
               for name in ('bgr_to_rgb', '_channel_conversion', 'channel_conversion'))


def in_words(value: object) -> str:
    """Format a setting of an untrusted config: numbers to five digits, including those that Python refuses to print."""
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(in_words, value))}]'
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f'{value:.5g}' if abs(value) < LARGEST else 'a number out of range'


def sets() -> list[str]:
    """List the data sets that published change detectors were trained on."""
    return [name for name in SETS if name != 'pretrain']


def published_name(name: str) -> bool:
    """Return whether ``name`` is SET-SIZE of a published change detector, such as ``levir-base``."""
    data_set, _, size = name.rpartition('-')
    return data_set in sets() and size in SIZES


def published_config(name: str) -> Path:
    """Return the path of the config of a published checkpoint.

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
    """Return the path of a converted published checkpoint; :func:`fetch_published` downloads it if it is missing."""
    data_set, _, size = name.rpartition('-')
    out = Path(f'checkpoints/schanger_{size}_{data_set}_mm.pth')
    if not out.exists():  # an existing file is checked when it is read: every entry must fit the network
        fetch_published(data_set, size, out)
        logging.getLogger(__name__).warning('%s: %s', name, TERMS)
    return out.resolve()  # workers of Dask may run in another folder


def _types(node: object, scope: str = SCOPE) -> Iterator[tuple[str, str]]:
    """Yield registry and name of every part of a config."""
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
