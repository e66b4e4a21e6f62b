"""Reading configs, with mistakes reported before anything is built."""

from __future__ import annotations

import ast
import inspect
import json
import logging
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

from mmengine.config import Config, DictAction
from yaml import YAMLError

from schanger_mm.config import compat
from schanger_mm.config.names import is_short_name, locate, stem_of
from schanger_mm.config.neighbours import check_neighbours
from schanger_mm.config.spelling import file_with, misspelt
from schanger_mm.utils.errors import UserError
from schanger_mm.utils.text import first_line, nearest

#: keys that are not parameters of the Runner but are read by the tools or mmengine
_OTHER_KEYS = {'custom_imports', 'tta_model', 'tta_pipeline', 'log_level', 'launcher', 'env_cfg', 'tta_cfg',
               'sync_bn', 'model_wrapper_cfg', 'find_unused_parameters', 'compile', 'semi'}
_NEEDED = ('model', 'env_cfg', 'default_hooks')
_PARTS = (*_NEEDED, 'semi', 'data_preprocessor', 'optim_wrapper', 'visualizer', 'randomness',
          *(f'{split}_{part}' for split in ('train', 'val', 'test') for part in ('dataloader', 'cfg')))


class ConfigError(UserError, ValueError):
    """A config file, or an override of it, asks for something that does not exist."""


def runner_keys() -> set[str]:
    """Return the top-level config keys that mmengine's Runner uses."""
    compat.leave_transformers_out()
    from mmengine.runner import Runner
    return set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | _OTHER_KEYS


def load_config(path: str | Path, options: Mapping[str, object] | None = None) -> Config:
    """Read a config file and merge ``--cfg-options`` into it.

    Args:
        path: the config file, or a name; see :func:`~schanger_mm.config.names.locate`.
        options: dotted keys and their values; every key must exist in the
            config, or be one that the Runner knows.

    Raises:
        ConfigError: the file, or one that it inherits, is missing; a key, or the
            name of a registered type or of one of its settings, seems to be
            misspelt (the message names the nearest valid one, and the file
            that has it); or a part comes from a package that cannot be imported.
        ConfigNameError: there is no config of this name, or there are several.
    """
    compat.prepare()  # names such as mmseg::... in _base_
    if str(path).startswith('hf://'):
        raise ConfigError(f'{path}: expected a config file. A config is Python and runs code, so none is taken from '
                          'the hub; start from one that ships with the project and set load_from to this model.')
    file = locate(path)
    if not file.is_file():
        advice = f'{stem_of(path)}, without .py, is' if is_short_name(stem_of(path)) else 'levir, for example, is'
        raise ConfigError(f'no config file {path}; {advice} a config that comes with the package.')
    cfg = _read(file, path)
    _drop_delete_marks(cfg._cfg_dict)
    known = runner_keys()
    for key in cfg:
        if key not in known and not key.endswith('_pipeline') and (near := nearest(key, known, cutoff=0.88)):
            raise ConfigError(f'{file_with(cfg, key, path)}: unknown key {key!r}, which nothing would read; did you '
                              f'mean {near!r}?')
    check_neighbours(cfg, path)  # first: names of a package that is not imported look misspelt
    by_file: dict[str, list[str]] = {}
    for word, line in misspelt(cfg._cfg_dict):
        by_file.setdefault(file_with(cfg, word, path), []).append(line)
    if by_file:
        raise ConfigError('; '.join(f'{file}: {"; ".join(lines)}' for file, lines in by_file.items()))
    for option in options or {}:
        _check_option(cfg, option, known, path)
    try:
        cfg.merge_from_dict(dict(options or {}))
    except (TypeError, KeyError, IndexError) as error:  # from a child that cannot replace its parent
        raise ConfigError(f'--cfg-options: {first_line(error, 500)}') from error
    _drop_delete_marks(cfg._cfg_dict)
    _check_kinds(cfg, path)
    check_neighbours(cfg, path)
    unwrap_detector(cfg)
    return cfg


def unwrap_detector(cfg: MutableMapping) -> None:
    """Move a semi-supervised model around a detector from ``model`` to ``semi``, in place.

    Training puts them together again; whatever else reads a config finds the
    plain detector in ``model``, as its weights in checkpoints are.
    """
    model = cfg.get('model')
    if isinstance(model, Mapping) and isinstance(model.get('detector'), Mapping):
        cfg['semi'] = {key: value for key, value in model.items() if key not in ('detector', 'data_preprocessor')}
        if model.get('data_preprocessor') is not None:
            cfg['data_preprocessor'] = model['data_preprocessor']
        cfg['model'] = model['detector']


def _read(file: Path, path: str | Path) -> Config:
    try:
        cfg = Config.fromfile(str(file))
        dict(cfg.items())  # trigger the imports of the config, which mmengine defers
    except FileNotFoundError as error:
        raise ConfigError(f'{path} inherits a config that does not exist: {error}') from error
    except SyntaxError as error:
        where = error.filename if error.filename and Path(error.filename).is_file() else path
        raise ConfigError(f'{where}, line {error.lineno}: {error.msg}; expected Python, found '
                          f'{str(error.text).strip()!r:.80}') from error
    except UnicodeDecodeError as error:
        raise ConfigError(f'{path}, or what it inherits, is not UTF-8: {error}') from error
    except RecursionError as error:
        raise ConfigError(f'{path} inherits itself, directly or through another config.') from error
    except (OSError, json.JSONDecodeError, YAMLError) as error:
        raise ConfigError(f'{path} cannot be read as a config (.py, .json, .yaml): {" ".join(str(error).split())}'
                          ) from error
    except UserError:
        raise
    except Exception as error:  # a config is a program and may inherit others: any exception is theirs
        raise ConfigError(f'{path}, or what it inherits, cannot be read as a config: {type(error).__name__}'
                          f'{_line_of(error)}: {first_line(error, 500)}') from error
    _check_kinds(cfg, path)
    return cfg


def _drop_delete_marks(node: object) -> None:
    """Remove ``_delete_`` where mmengine left it: it does so where nothing inherited had to be deleted."""
    if isinstance(node, dict):
        node.pop('_delete_', None)
        for value in node.values():
            _drop_delete_marks(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            _drop_delete_marks(value)


def _line_of(error: Exception) -> str:
    """Return the line of the config that raised an error, if a config did."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.endswith('.py') and 'site-packages' not in frame.filename and frame.name == '<module>':
            return f' in {frame.filename}, line {frame.lineno}'
    return ''


def _check_kinds(cfg: Config, path: str | Path) -> None:
    """Refuse parts that are not dictionaries and paths that are not text, which the Runner would stumble over."""
    for key in _PARTS:
        if not isinstance(cfg.get(key, {}), Mapping) and not (cfg[key] is None and key not in _NEEDED):
            raise ConfigError(f'{path}: {key} is {cfg[key]!r:.80}, expected dict(...).')
    for key in ('work_dir', 'load_from'):
        if not isinstance(cfg.get(key), (str, type(None))):
            raise ConfigError(f'{path}: {key} is {cfg[key]!r:.80}, expected a path.')
    level = cfg.get('log_level', 'INFO')
    if isinstance(level, str) and not isinstance(logging.getLevelName(level), int):
        raise ConfigError(f'{path}: log_level is {level!r}, expected DEBUG, INFO, WARNING or ERROR.')


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
            return  # a new setting of an existing part, which itself rejects unknown settings
        elif node is None:
            return
        else:
            raise ConfigError(f'--cfg-options {option}: {here} is {node!r}, which has no keys.')


def parse_options(words: Sequence[str] | None) -> dict[str, object]:
    """Read the words of ``--cfg-options``, such as ``train_dataloader.batch_size=4``.

    Values are read as mmengine's ``DictAction`` reads them, except that a
    quoted value is text. mmengine drops quotes and spaces and splits at
    commas, so paths that contain them are changed; here
    ``data_root="'/my data/x, y'"`` works: Python's quotes inside the shell's.

    Raises:
        ConfigError: a word that is not ``KEY=VALUE``, or a value whose brackets do not match.
    """
    options: dict[str, object] = {}
    for word in words or ():
        key, sign, value = word.partition('=')
        if not key or not sign:
            raise ConfigError(f'--cfg-options {word}: expected KEY=VALUE, such as train_dataloader.batch_size=4.')
        options[key] = _parse_value(value, word)
    return options


def _parse_value(value: str, word: str) -> object:
    if value[:1] in ('"', "'"):
        try:
            text = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            text = None
        if isinstance(text, str):  # not the tuple of 'a','b'
            return text
    try:
        return DictAction._parse_iterable(value)
    except AssertionError as error:
        raise ConfigError(f'--cfg-options {word}: the brackets do not match; put text with brackets in quotes of its '
                          """own: KEY="'VALUE'".""") from error


def option_word(key: str, value: object) -> str:
    """Return the ``KEY=VALUE`` word that sets ``key`` to exactly this value; a path becomes text."""
    return f'{key}={value!r}' if value is None or isinstance(value, (bool, int, float)) else f'{key}={str(value)!r}'
