"""Configs by name: ``levir`` of this package, ``mmseg::...`` of others, on command lines and in ``_base_``.

mmengine takes names such as ``_base_ = 'opencd::_base_/datasets/levir_cd.py'``,
in ``_base_`` and in ``mmengine.hub.get_config``, from
a fixed list of packages only, looks them up under the name of the distribution
(the maintained packages have others), and knows the folder that a wheel carries
but not that of a checkout. Can go when mmengine looks configs up by module.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from schanger_mm.utils.errors import UserError
from schanger_mm.utils.text import first_of, nearest

if TYPE_CHECKING:
    from mmengine.config import Config

OURS = 'schanger_mm'
SUFFIXES = '.py', '.json', '.yaml', '.yml'
"""Endings of config files, by which mmengine knows their format."""
PACKAGES = {
    'schanger_mm': 'pip install schanger-mm',
    'opencd': 'Open-CD is not on PyPI: install it from a checkout (`pip install -e .` there), or name the checkout in '
              'PYTHONPATH',
    'mmseg': 'pip install "schanger-mm[mm]"',
}
"""Packages whose configs can be inherited by name, and how to install them."""
FOLDERS = '.mim/configs', '../configs'
"""Below the module for an installed package, next to it for a checkout."""


class ConfigNameError(UserError, ValueError):
    """There is no config for a name ``package::path``."""


def is_name(config: object) -> bool:
    """Return whether it has the form ``package::path`` with a package of :data:`PACKAGES`."""
    return str(config).partition('::')[0] in PACKAGES and '::' in str(config)


def find_config(name: str) -> Path:
    """Return the path of the config with a name such as ``'schanger_mm::schanger/levir.py'``; ``.py`` is optional.

    Raises:
        ConfigNameError: the package is not installed, has no configs, or none of that name.
    """
    package, _, rest = name.partition('::')
    folders = _folders(package, name)
    for folder in folders:
        for file in (folder / rest, folder / f'{rest}.py'):
            if file.is_file():
                return file
    near = nearest(rest, (path.relative_to(folders[0]).as_posix() for path in folders[0].rglob('*.py')), cutoff=0.6)
    raise ConfigNameError(f'{name}: {" and ".join(map(str, folders))} has no {rest}'
                          + (f'; did you mean {package}::{near}?' if near else '.'))


def locate(config: str | Path) -> Path:
    """Return the path of a config as users name it: a file, a full name, or a short name of one of this package.

    A short name is the path below ``configs``, or its last parts, without ``.py``: ``'levir'``, ``'schanger/levir'``.
    It is never a file: files end in one of :data:`SUFFIXES`, and need not exist.

    Raises:
        ConfigNameError: there is no config of this name, or there are several.
    """
    name = str(config)
    if is_name(name):
        return find_config(name)
    if Path(name).suffix in SUFFIXES:
        return Path(name)
    there = _shipped()
    found = [name] if name in there else [path for path in there if path.endswith(f'/{name}')]
    if len(found) == 1:
        return find_config(f'{OURS}::{found[0]}.py')
    if found:
        raise ConfigNameError(f'{name}: {len(found)} configs of {OURS} have this name: {first_of(found)}; add the '
                              'folder.')
    known = short_names()
    near = nearest(PurePosixPath(name).name, known, cutoff=0.6)
    advice = f'did you mean {near}?' if near else f'it has {first_of(known)}.'
    raise ConfigNameError(f'no config {name or "without a name"}: expected a file that ends in .py, .json or .yaml, '
                          f'or a config of {OURS}; {advice}')


def short_names() -> list[str]:
    """List the configs of this package that can be run, each by the shortest name that only one has."""
    there = _shipped()
    last = [path.rpartition('/')[2] for path in there]
    names = (name if last.count(name) == 1 else path for path, name in zip(there, last))
    return sorted(names, key=lambda name: (len(name), name))


def is_short_name(text: str) -> bool:
    """Return whether a config of this package has this short name; several may have it."""
    return bool(text) and any(f'/{path}'.endswith(f'/{text}') for path in _shipped())


def is_config(text: str) -> bool:
    """Return whether a model is a config: a Python file, or a name that is not also that of a file or folder."""
    if '://' in text:
        return False
    return Path(text).suffix == '.py' or is_name(text) or (is_short_name(text) and not Path(text).exists())


def stem_of(config: str | Path) -> str:
    """Return the last part of a config's path or name, without suffix."""
    name = PurePosixPath(Path(str(config).rpartition('::')[2]).as_posix()).name
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def _folders(package: str, name: str) -> list[Path]:
    """Return the folders of a package's configs."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigNameError(f'{name}: no module {package} is installed here; {PACKAGES[package]}.')
    module = Path(next(iter(spec.submodule_search_locations)))
    places = [(module / folder).resolve() for folder in FOLDERS]
    folders = [place for place in places if place.is_dir()]
    if not folders:
        raise ConfigNameError(f'{name}: {module} has no configs: neither {" nor ".join(map(str, places))} is '
                              f'there. Put a checkout of {package} first in PYTHONPATH, or install from one.')
    return folders


def _shipped() -> list[str]:
    """List the configs of this package that can be run: their paths below the folder of configs, without suffix."""
    folder = _folders(OURS, OURS)[0]
    paths = (path.relative_to(folder).with_suffix('').as_posix() for path in folder.rglob('*.py'))
    return sorted(path for path in paths if not path.startswith('_'))


def teach_mmengine() -> None:
    """Let mmengine's ``_base_`` and ``mmengine.hub.get_config`` find these names; the rest stays with mmengine."""
    from mmengine import hub
    from mmengine.config import Config
    theirs, get_config = Config._get_cfg_path, hub.get_config
    if getattr(theirs, 'knows_names', False):
        return

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if is_name(cfg_path):
            return str(find_config(cfg_path)), cfg_path.partition('::')[0]
        return theirs(cfg_path, filename)

    def get_config_by_name(cfg_path: str, pretrained: bool = False) -> Config:
        if not is_name(cfg_path) or cfg_path.startswith('mmseg::'):  # which the hub knows, with its weights
            return get_config(cfg_path, pretrained)
        if pretrained:
            raise ConfigNameError(f'{cfg_path}: no weights in the layout of this config are published. For SChanger, '
                                  '`schanger fetch` fetches and converts the authors\'.')
        return Config.fromfile(find_config(cfg_path))

    get_cfg_path.knows_names = True  # type: ignore[attr-defined]
    Config._get_cfg_path = staticmethod(get_cfg_path)
    hub.get_config = hub.hub.get_config = get_config_by_name
