"""Reading configs, with mistakes reported before anything is built."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from schanger_mm.apis.config_check import misspelt, nearest, says
from schanger_mm.apis.neighbours import check_neighbours
from schanger_mm.config_names import find_config, is_name

#: keys that no Runner parameter names but that the tools or mmengine read
_OTHER_KEYS = {'custom_imports', 'tta_model', 'tta_pipeline', 'log_level', 'launcher', 'env_cfg', 'tta_cfg',
               'sync_bn', 'model_wrapper_cfg', 'find_unused_parameters', 'compile'}


class ConfigError(ValueError):
    """A config file, or an override of it, asks for something that does not exist."""


def runner_keys() -> set[str]:
    """Top-level config keys that mmengine's Runner acts on."""
    return set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | _OTHER_KEYS


def load_config(path: str | Path, options: Mapping[str, object] | None = None) -> Config:
    """Read a config file and merge ``--cfg-options`` into it.

    Args:
        path: the config file, or a name such as ``schanger_mm::schanger/levir.py``.
        options: dotted keys and their values; every key must exist in the
            config, or be one that the Runner knows.

    Raises:
        ConfigError: the file, or one that it inherits, is missing; a key, or the
            name of a registered type or of one of its settings, looks like a
            misspelt one (the message names the nearest valid one, and the
            file that has it); or a part
            comes from a package that cannot be imported.
        ConfigNameError: a name leads to no config.
    """
    file = find_config(str(path)) if is_name(path) else Path(path)
    if not file.is_file():
        raise ConfigError(f'no config file {path}; the ones that ship with the project lie in configs/schanger/.')
    cfg = _read(file, path)
    known = runner_keys()
    for key in cfg:
        if key not in known and not key.endswith('_pipeline') and (near := nearest(key, known, cutoff=0.88)):
            raise ConfigError(f'{says(cfg, key, path)}: unknown key {key!r}, which nothing would read; did you mean '
                              f'{near!r}?')
    by_file: dict[str, list[str]] = {}
    for word, line in misspelt(cfg._cfg_dict):
        by_file.setdefault(says(cfg, word, path), []).append(line)
    if by_file:
        raise ConfigError('; '.join(f'{file}: {"; ".join(lines)}' for file, lines in by_file.items()))
    for option in options or {}:
        _check_option(cfg, option, known, path)
    cfg.merge_from_dict(dict(options or {}))
    check_neighbours(cfg, path)
    return cfg


def _read(file: Path, path: str | Path) -> Config:
    try:
        cfg = Config.fromfile(str(file))
    except FileNotFoundError as error:
        raise ConfigError(f'{path} inherits a config that is not there: {error}') from error
    except SyntaxError as error:
        where = error.filename if error.filename and Path(error.filename).is_file() else path
        raise ConfigError(f'{where}, line {error.lineno}: {error.msg}; expected Python, found '
                          f'{str(error.text).strip()!r:.80}') from error
    except UnicodeDecodeError as error:
        raise ConfigError(f'{path}, or what it inherits, is not UTF-8: {error}') from error
    except RecursionError as error:
        raise ConfigError(f'{path} inherits itself, directly or through another config.') from error
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigError(f'{path} cannot be read as a config (.py, .json, .yaml): {error}') from error
    if not isinstance(cfg.get('model', {}), Mapping):
        raise ConfigError(f'{path}: model is {cfg.model!r:.80}, expected dict(type=..., ...).')
    return cfg


def _check_option(cfg: Config, option: str, known: set[str], path: str | Path) -> None:
    """Refuse an override that starts from no known key, or whose path has a misspelt name."""
    names = option.split('.')
    if names[0] in cfg and names[0] not in known:
        raise ConfigError(
            f'--cfg-options {option}: {names[0]} is a variable of {path} that is already used when options are read, '
            'so nothing would change. Name the place that uses it, for example '
            'train_dataloader.dataset.data_root or train_dataloader.dataset.pipeline.2.')
    node: object = cfg._cfg_dict
    for depth, name in enumerate(names):
        here = '.'.join(names[:depth]) or 'the config'
        if isinstance(node, (list, tuple)):
            if not name.isdigit() or int(name) >= len(node):
                raise ConfigError(f'--cfg-options {option}: {here} is a list of {len(node)}; {name!r} is not in it.')
            node = node[int(name)]
        elif isinstance(node, dict) and name in node:
            node = node[name]
        elif isinstance(node, dict):
            choices = {*node, *(known if depth == 0 else ())}
            if name in choices:
                return
            if near := nearest(name, choices, cutoff=0.75 if depth == 0 else 0.9):
                raise ConfigError(f'--cfg-options {option}: {here} of {path} has no {name!r}; did you mean {near!r}?')
            if depth == 0:
                raise ConfigError(f'--cfg-options {option}: nothing would read {name!r}; {path} has: '
                                  f'{", ".join(sorted(node))}.')
            return  # a new setting of an existing part; the part itself refuses what it does not know
        elif node is None:
            return
        else:
            raise ConfigError(f'--cfg-options {option}: {here} is {node!r}, which has no keys.')

